/** What was built and what installs it: list, upload, download, remove. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { downloadUrl, listArtifacts, MOST, removeArtifact, type Artifact } from './api';
import { wordsOf } from './failure';
import { Remove } from './remove';
import { sizeText } from './size';
import { Upload } from './upload';

type Attempt = (act: () => Promise<void>) => Promise<void>;

export function Artifacts() {
  const [rows, setRows] = useState<Artifact[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const section = useRef<HTMLElement>(null);

  const attempt: Attempt = useCallback(async (act) => {
    let said: string | null = null;
    await act().catch((error: unknown) => {
      said = wordsOf(error);
    });
    // The list is read anew after a failure too: a part of what was tried may be done.
    await listArtifacts().then(setRows, (error: unknown) => {
      said ??= wordsOf(error);
    });
    setProblem(said);
  }, []);

  useEffect(() => {
    let isHere = true;
    listArtifacts().then(
      (found) => {
        if (isHere) setRows(found);
      },
      (error: unknown) => {
        if (isHere) setProblem(wordsOf(error));
      },
    );
    return () => {
      isHere = false;
    };
  }, []);

  return (
    <section
      ref={section}
      tabIndex={-1}
      className="card"
      aria-label="Artifacts"
      aria-busy={rows === null && problem === null}
    >
      <Upload attempt={attempt} />
      {problem !== null && (
        <div className="problem">
          <p role="alert">{problem}</p>
          {rows === null && (
            <button type="button" className="quiet" onClick={() => void attempt(nothing)}>
              Try again
            </button>
          )}
        </div>
      )}
      {rows === null && problem === null && <p className="note">Loading…</p>}
      {rows?.length === 0 && (
        <p className="empty">
          <strong>Nothing here yet</strong>
          Artifacts are what your bots run, installers bring it onto a machine. Upload a file to
          begin; nobody but you can see it.
        </p>
      )}
      <ul>
        {rows?.map((row) => (
          <Row key={row.id} row={row} attempt={attempt} onGone={() => section.current?.focus()} />
        ))}
      </ul>
      {rows?.length === MOST && <p className="note">The newest {MOST} are shown.</p>}
    </section>
  );
}

async function nothing(): Promise<void> {
  // Only the list is read.
}

interface RowProps {
  row: Artifact;
  attempt: Attempt;
  onGone: () => void;
}

function Row({ row, attempt, onGone }: RowProps) {
  const when = new Date(row.created_at);
  return (
    <li data-testid="artifact">
      <div className="about">
        <strong>{row.name}</strong>
        <span>
          {row.kind === 'installers' ? 'Installer' : 'Artifact'}, {sizeText(row.size)},{' '}
          <time dateTime={row.created_at}>
            {when.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })}
          </time>
        </span>
      </div>
      <div className="acts">
        <button
          type="button"
          className="quiet"
          aria-label={`Download ${row.name}`}
          onClick={() => void attempt(() => download(row))}
        >
          Download
        </button>
        <Remove
          name={row.name}
          onYes={() => void attempt(() => removeArtifact(row.id)).then(onGone)}
        />
      </div>
    </li>
  );
}

/** Let the browser fetch the file; the signed answer says under which name it is saved. */
async function download(row: Artifact): Promise<void> {
  const link = document.createElement('a');
  link.href = await downloadUrl(row.id);
  link.click();
}
