/** The backend's interface: same host, one error form, the bytes of artifacts by signed URL. */
import { messageOf } from './failure';
import { accessToken } from './session';

export type Kind = 'artifacts' | 'installers';

export interface Artifact {
  id: string;
  kind: Kind;
  name: string;
  size: number;
  created_at: string;
}

interface Upload {
  artifact: Artifact;
  url: string;
  content_type: string;
}

/** What the backend, or the store, said when it refused. */
export class Refused extends Error {}

const PLAIN = /^[\w.+-]+\/[\w.+-]+$/;
const ANYTHING = 'application/octet-stream';

/** As many as a list has at most. */
export const MOST = 200;

/** The newest artifacts, at most MOST of them. */
export async function listArtifacts(): Promise<Artifact[]> {
  return (await ask('GET', `/artifacts?limit=${MOST}`)) as Artifact[];
}

export async function downloadUrl(id: string): Promise<string> {
  return ((await ask('GET', `/artifacts/${id}/download`)) as { url: string }).url;
}

export async function removeArtifact(id: string): Promise<void> {
  await ask('DELETE', `/artifacts/${id}`);
}

/** Send a file to the store by a URL that is good for this one object; `onProgress` is 0 to 1. */
export async function uploadArtifact(
  file: File,
  kind: Kind,
  onProgress: (done: number) => void,
): Promise<void> {
  const contentType = PLAIN.test(file.type) ? file.type : ANYTHING;
  const asked = { kind, name: file.name, size: file.size, content_type: contentType };
  const { artifact, url } = (await ask('POST', '/artifacts', asked)) as Upload;
  await send(url, file, contentType, onProgress);
  await ask('POST', `/artifacts/${artifact.id}/complete`);
}

async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(`/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${await accessToken()}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch(() => {
    throw new Refused('the backend cannot be reached');
  });
  if (answer.status === 204) return null;
  const told: unknown = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(messageOf(told, answer.status));
  return told;
}

// fetch tells nothing of the progress of what it sends.
function send(
  url: string,
  file: File,
  contentType: string,
  onProgress: (done: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    request.setRequestHeader('content-type', contentType);
    request.upload.onprogress = (event) => {
      onProgress(event.total ? event.loaded / event.total : 0);
    };
    request.onload = () => {
      if (request.status < 300) resolve();
      else reject(new Refused(`the store refused the file: ${request.status}`));
    };
    request.onerror = () => {
      reject(new Refused('the connection to the store was lost'));
    };
    request.send(file);
  });
}
