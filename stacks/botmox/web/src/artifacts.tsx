/** What was built and what installs it: list, upload, download, remove. */
import { useCallback, useEffect, useState } from 'react';
import {
  downloadUrl,
  listArtifacts,
  removeArtifact,
  uploadArtifact,
  type Artifact,
  type Kind,
} from './api';
import { sizeText } from './size';

export function Artifacts() {
  const [rows, setRows] = useState<Artifact[] | null>(null);
  const [kind, setKind] = useState<Kind>('artifacts');
  const [sent, setSent] = useState<number | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const attempt = useCallback(async (act: () => Promise<void>): Promise<void> => {
    try {
      await act();
      setRows(await listArtifacts());
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  }, []);

  useEffect(() => {
    let isHere = true;
    listArtifacts().then(
      (found) => {
        if (isHere) setRows(found);
      },
      (error: unknown) => {
        if (isHere) setProblem(error instanceof Error ? error.message : String(error));
      },
    );
    return () => {
      isHere = false;
    };
  }, []);

  async function upload(files: File[]): Promise<void> {
    for (const file of files) {
      setSent(0);
      await uploadArtifact(file, kind, setSent);
    }
  }

  return (
    <section className="card">
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
        <label className="button">
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
      {sent !== null && <progress value={sent} aria-label="Upload" />}
      {problem !== null && <p role="alert">{problem}</p>}
      {rows?.length === 0 && <p className="empty">Nothing here yet. Upload a file.</p>}
      <ul>
        {rows?.map((row) => (
          <Row key={row.id} row={row} attempt={attempt} />
        ))}
      </ul>
    </section>
  );
}

interface RowProps {
  row: Artifact;
  attempt: (act: () => Promise<void>) => Promise<void>;
}

function Row({ row, attempt }: RowProps) {
  return (
    <li data-testid="artifact">
      <div className="about">
        <strong>{row.name}</strong>
        <span>
          {row.kind === 'installers' ? 'Installer' : 'Artifact'}, {sizeText(row.size)},{' '}
          {new Date(row.created_at).toLocaleString()}
        </span>
      </div>
      <button
        type="button"
        aria-label={`Download ${row.name}`}
        onClick={() => void attempt(() => download(row))}
      >
        Download
      </button>
      <button
        type="button"
        className="quiet"
        aria-label={`Remove ${row.name}`}
        onClick={() => void attempt(() => removeArtifact(row.id))}
      >
        Remove
      </button>
    </li>
  );
}

/** Let the browser fetch the file; the signed answer says under which name it is saved. */
async function download(row: Artifact): Promise<void> {
  const link = document.createElement('a');
  link.href = await downloadUrl(row.id);
  link.click();
}
