/** Short news that do not stop the work: what was refused and why. Read out by screen readers. */
import { createContext, use, useCallback, useEffect, useState, type ReactNode } from 'react';
import { useI18n } from '../i18n/i18n';
import { Button } from './button';
import { classNames } from './class-names';
import { Icon } from './icon';
import styles from './toasts.module.css';

const LIFETIME_MS = 7000;

type Tone = 'info' | 'danger';
type Say = (
  text: string,
  extra?: { readonly tone?: Tone; readonly action?: Action | null },
) => void;

interface Action {
  readonly label: string;
  readonly run: () => void;
}

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: Tone;
  readonly action: Action | null;
}

const ToastContext = createContext<Say | null>(null);
let lastId = 0;

export function ToastProvider({ children }: { children: ReactNode }) {
  const { t } = useI18n();
  const [toasts, setToasts] = useState<readonly Toast[]>([]);

  const drop = useCallback((id: number) => {
    setToasts((all) => all.filter((toast) => toast.id !== id));
  }, []);
  const say = useCallback<Say>((text, { tone = 'danger', action = null } = {}) => {
    lastId += 1;
    const toast = { id: lastId, text, tone, action };
    // The same words twice are one piece of news.
    setToasts((all) => [...all.filter((other) => other.text !== text), toast].slice(-3));
  }, []);

  return (
    <ToastContext value={say}>
      {children}
      <section className={styles.toasts} aria-live="polite" aria-label={t('toast.region')}>
        {toasts.map((toast) => (
          <ToastLine key={toast.id} toast={toast} onDrop={drop} closeLabel={t('action.close')} />
        ))}
      </section>
    </ToastContext>
  );
}

interface ToastLineProps {
  readonly toast: Toast;
  readonly closeLabel: string;
  readonly onDrop: (id: number) => void;
}

function ToastLine({ toast, closeLabel, onDrop }: ToastLineProps) {
  useEffect(() => {
    const timer = setTimeout(() => {
      onDrop(toast.id);
    }, LIFETIME_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [toast.id, onDrop]);
  return (
    <div className={classNames(styles.toast, styles[toast.tone])} data-testid="toast">
      <span className={styles.text}>{toast.text}</span>
      {toast.action && (
        <Button
          look="quiet"
          onClick={() => {
            toast.action?.run();
            onDrop(toast.id);
          }}
        >
          {toast.action.label}
        </Button>
      )}
      <Button
        look="quiet"
        square
        aria-label={closeLabel}
        onClick={() => {
          onDrop(toast.id);
        }}
      >
        <Icon name="close" />
      </Button>
    </div>
  );
}

export function useSay(): Say {
  const say = use(ToastContext);
  if (!say) throw new Error('useSay needs ToastProvider above it');
  return say;
}
