/** One file of a card: a look at it, its name, and what can be done with it. */
import { useMutation, useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import {
  downloadUrl,
  isPicture,
  PREVIEW_S,
  previewUrl,
  removeAttachment,
  type Attachment,
} from '../api/attachments';
import { toFailure } from '../api/failure';
import { useI18n } from '../i18n/i18n';
import { keys } from '../state/query';
import { Button } from '../ui/button';
import { bytesText } from '../ui/bytes';
import { failureText } from '../ui/failure-text';
import { Icon } from '../ui/icon';
import { useSay } from '../ui/toasts';
import styles from './attachments.module.css';

interface AttachmentRowProps {
  readonly file: Attachment;
  readonly owner: string | undefined;
  readonly onRemoved: (file: Attachment) => void;
}

export function AttachmentRow({ file, owner, onRemoved }: AttachmentRowProps) {
  const { t, language } = useI18n();
  const say = useSay();
  const { name } = file;
  const [asking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: () => removeAttachment(file),
    onSuccess: () => {
      onRemoved(file);
    },
    onError: (cause) => {
      setAsking(false);
      say(t('attachments.notDeleted', { name, reason: failureText(toFailure(cause), t) }));
    },
  });
  const download = useMutation({
    mutationFn: () => downloadUrl(file),
    onSuccess: save,
    onError: (cause) => {
      say(t('attachments.notDownloaded', { name, reason: failureText(toFailure(cause), t) }));
    },
  });
  const day = new Intl.DateTimeFormat(language, { dateStyle: 'medium' });
  const facts = [bytesText(file.size, language), day.format(new Date(file.created_at)), owner];
  return (
    <li className={styles.row} data-testid="attachment">
      <Thumb file={file} />
      <div className={styles.words}>
        <span className={styles.name} title={name}>
          {name}
        </span>
        <span className={styles.facts}>{facts.filter(Boolean).join(' · ')}</span>
      </div>
      {asking ? (
        <Confirm
          busy={remove.isPending}
          onDelete={() => {
            remove.mutate();
          }}
          onKeep={() => {
            setAsking(false);
          }}
        />
      ) : (
        <span className={styles.actions}>
          <Button
            look="quiet"
            square
            busy={download.isPending}
            aria-label={t('attachments.downloadFile', { name })}
            onClick={() => {
              download.mutate();
            }}
          >
            <Icon name="download" />
          </Button>
          <Button
            look="quiet"
            square
            aria-label={t('attachments.deleteFile', { name })}
            onClick={() => {
              setAsking(true);
            }}
          >
            <Icon name="trash" />
          </Button>
        </span>
      )}
    </li>
  );
}

interface ConfirmProps {
  readonly busy: boolean;
  readonly onDelete: () => void;
  readonly onKeep: () => void;
}

function Confirm({ busy, onDelete, onKeep }: ConfirmProps) {
  const { t } = useI18n();
  const keep = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    keep.current?.focus();
  }, []);
  return (
    <span className={styles.confirm} role="group" aria-label={t('attachments.confirm')}>
      <span>{t('attachments.confirm')}</span>
      <Button look="danger" busy={busy} onClick={onDelete}>
        {t('attachments.delete')}
      </Button>
      <Button ref={keep} onClick={onKeep}>
        {t('attachments.keep')}
      </Button>
    </span>
  );
}

/** A picture as the stack makes it small; a sheet of paper for all else, and for what is no picture. */
function Thumb({ file }: { file: Attachment }) {
  const { t } = useI18n();
  const [broken, setBroken] = useState(false);
  const preview = useQuery({
    queryKey: keys.preview(file.path),
    queryFn: () => previewUrl(file.path),
    enabled: isPicture(file.mime),
    // A new address is made before the old one ends.
    staleTime: (PREVIEW_S * 1000) / 2,
  });
  if (!preview.data || broken) {
    return (
      <span className={styles.thumb} aria-hidden="true">
        <Icon name="file" size={20} />
      </span>
    );
  }
  return (
    <img
      className={styles.thumb}
      src={preview.data}
      alt={t('attachments.preview', { name: file.name })}
      width={48}
      height={48}
      onError={() => {
        setBroken(true);
      }}
    />
  );
}

/** The answer says that it is to be saved, so the page stays where it is. */
function save(url: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.click();
}
