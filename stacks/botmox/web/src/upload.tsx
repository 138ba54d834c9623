/** The bar above the list: which kind, which files, and how far they are. */
import { useState } from 'react';
import { uploadArtifact, type Kind } from './api';
import { wordsOf } from './failure';

interface Props {
  attempt: (act: () => Promise<void>) => Promise<void>;
}

interface Sent {
  name: string;
  done: number;
}

export function Upload({ attempt }: Props) {
  const [kind, setKind] = useState<Kind>('artifacts');
  const [sent, setSent] = useState<Sent | null>(null);

  async function upload(files: File[]): Promise<void> {
    const failed: string[] = [];
    for (const file of files) {
      const tell = (done: number): void => {
        setSent({ name: file.name, done });
      };
      tell(0);
      await uploadArtifact(file, kind, tell).catch((error: unknown) => {
        failed.push(`${file.name}: ${wordsOf(error)}`);
      });
    }
    if (failed.length > 0) throw new Error(failed.join('\n'));
  }

  return (
    <>
      <div className="bar">
        <h2>Artifacts</h2>
        <label className="kind">
          Kind
          <select
            value={kind}
            onChange={(event) => {
              setKind(event.target.value as Kind);
            }}
          >
            <option value="artifacts">Artifact</option>
            <option value="installers">Installer</option>
          </select>
        </label>
        <label className={sent === null ? 'button' : 'button busy'}>
          Upload
          <input
            type="file"
            multiple
            disabled={sent !== null}
            onChange={(event) => {
              const files = [...(event.target.files ?? [])];
              event.target.value = '';
              void attempt(() => upload(files)).finally(() => {
                setSent(null);
              });
            }}
          />
        </label>
      </div>
      {sent !== null && (
        <label className="sent">
          <span>
            {sent.name}, {Math.floor(sent.done * 100)} %
          </span>
          <progress value={sent.done} />
        </label>
      )}
    </>
  );
}
