/** A modal on the browser's own <dialog>: it traps focus, closes by Escape, returns focus where it was. */
import { useEffect, useId, useRef, type ReactNode, type SyntheticEvent } from 'react';
import { useI18n } from '../i18n/i18n';
import { Button } from './button';
import { classNames } from './class-names';
import styles from './dialog.module.css';
import { Icon } from './icon';

interface DialogProps {
  readonly title: string;
  readonly wide?: boolean;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

export function Dialog({ title, wide = false, onClose, children }: DialogProps) {
  const { t } = useI18n();
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();

  useEffect(() => {
    const dialog = ref.current;
    const opener = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      // The opener may have been replaced meanwhile (a card that moved); then focus stays where it is.
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);

  function cancel(event: SyntheticEvent<HTMLDialogElement>) {
    event.preventDefault();
    onClose();
  }

  return (
    <dialog
      ref={ref}
      aria-labelledby={titleId}
      className={classNames(styles.dialog, wide && styles.wide)}
      onCancel={cancel}
    >
      <header className={styles.header}>
        <h2 id={titleId} className={styles.title}>
          {title}
        </h2>
        <Button look="quiet" square aria-label={t('action.close')} onClick={onClose}>
          <Icon name="close" />
        </Button>
      </header>
      <div className={styles.body}>{children}</div>
    </dialog>
  );
}
