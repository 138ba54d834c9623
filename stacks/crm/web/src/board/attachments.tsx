/** The files of a card: chosen or dropped in, on their way, there to look at, download and delete. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { loadAttachments, loadSizeLimit, type Attachment, type Place } from '../api/attachments';
import { toFailure } from '../api/failure';
import type { MemberRow } from '../api/rows';
import { useI18n } from '../i18n/i18n';
import { keys } from '../state/query';
import { uploads, useUploads } from '../state/uploads';
import { Button } from '../ui/button';
import { bytesText } from '../ui/bytes';
import { classNames } from '../ui/class-names';
import { failureText } from '../ui/failure-text';
import { Icon } from '../ui/icon';
import { Notice } from '../ui/notice';
import { AttachmentRow } from './attachment-row';
import styles from './attachments.module.css';
import { UploadRow } from './upload-row';
import { useFileDrop } from './use-file-drop';

interface AttachmentsProps extends Place {
  readonly members: readonly MemberRow[];
}

export function Attachments({ boardId, cardId, members }: AttachmentsProps) {
  const { t, language } = useI18n();
  const client = useQueryClient();
  const chooser = useRef<HTMLInputElement>(null);
  const chooseButton = useRef<HTMLButtonElement>(null);
  const [said, setSaid] = useState('');
  const running = useUploads(cardId);
  const files = useQuery({
    queryKey: keys.attachments(cardId),
    queryFn: () => loadAttachments(cardId),
    staleTime: 0,
  });
  const limit = useQuery({
    queryKey: keys.attachmentLimit,
    queryFn: loadSizeLimit,
    staleTime: Infinity,
  });
  const add = (chosen: readonly File[]) => {
    for (const file of chosen) {
      uploads.add({ boardId, cardId }, file, limit.data ?? null, (name) => {
        setSaid(t('attachments.uploaded', { name }));
        void client.invalidateQueries({ queryKey: keys.attachments(cardId) });
      });
    }
  };
  const isOver = useFileDrop(add);
  const onRemoved = (gone: Attachment) => {
    client.setQueryData<Attachment[]>(keys.attachments(cardId), (all) =>
      all?.filter((each) => each.id !== gone.id),
    );
    chooseButton.current?.focus();
  };

  return (
    <section className={styles.files} aria-label={t('attachments.title')} data-testid="attachments">
      <h3 className={styles.title}>{t('attachments.title')}</h3>
      <div className={classNames(styles.drop, isOver && styles.over)}>
        <input
          ref={chooser}
          type="file"
          multiple
          hidden
          onChange={(event) => {
            add(Array.from(event.target.files ?? []));
            event.target.value = ''; // so that the same file can be chosen again
          }}
        />
        <Button ref={chooseButton} onClick={() => chooser.current?.click()}>
          <Icon name="plus" />
          {t('attachments.add')}
        </Button>
        <span className={styles.hint}>
          {isOver
            ? t('attachments.drop')
            : limit.data
              ? t('attachments.dropHint', { size: bytesText(limit.data, language) })
              : null}
        </span>
      </div>
      {files.isError && (
        <Notice tone="danger">
          {failureText(toFailure(files.error), t)}
          <Button onClick={() => void files.refetch()}>{t('action.retry')}</Button>
        </Notice>
      )}
      {files.isPending && <p className={styles.hint}>{t('state.loading')}</p>}
      {files.data?.length === 0 && running.length === 0 && (
        <p className={styles.hint}>{t('attachments.empty')}</p>
      )}
      <ul className={styles.list}>
        {files.data?.map((file) => (
          <AttachmentRow
            key={file.id}
            file={file}
            owner={members.find((each) => each.user_id === file.owner_id)?.email}
            onRemoved={onRemoved}
          />
        ))}
        {running.map((upload) => (
          <UploadRow key={upload.id} upload={upload} />
        ))}
      </ul>
      <p className="visually-hidden" role="status">
        {said}
      </p>
    </section>
  );
}
