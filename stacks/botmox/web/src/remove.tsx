/** The button that removes an artifact, and the question before it does. */
import { useId, useRef } from 'react';

interface Props {
  name: string;
  onYes: () => void;
}

export function Remove({ name, onYes }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  return (
    <>
      <button
        type="button"
        className="quiet"
        aria-label={`Remove ${name}`}
        onClick={() => dialog.current?.showModal()}
      >
        Remove
      </button>
      <dialog ref={dialog} aria-labelledby={title}>
        <form
          method="dialog"
          onSubmit={(event) => {
            const pressed = event.nativeEvent.submitter;
            if (pressed instanceof HTMLButtonElement && pressed.value === 'yes') onYes();
          }}
        >
          <p id={title}>
            Remove <strong>{name}</strong>? It cannot be brought back from here.
          </p>
          <div className="acts">
            <button type="submit" className="quiet" value="no">
              Keep it
            </button>
            <button type="submit" className="grave" value="yes">
              Remove it
            </button>
          </div>
        </form>
      </dialog>
    </>
  );
}
