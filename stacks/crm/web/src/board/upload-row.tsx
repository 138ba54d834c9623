/** A file on its way to the card, or why it did not arrive. */
import { useI18n } from '../i18n/i18n';
import { uploads, type Upload } from '../state/uploads';
import { Button } from '../ui/button';
import { bytesText } from '../ui/bytes';
import { failureText } from '../ui/failure-text';
import { Icon } from '../ui/icon';
import styles from './attachments.module.css';

export function UploadRow({ upload }: { upload: Upload }) {
  const { t, language } = useI18n();
  const { id, name, size, sent, failure } = upload;
  const share = size === 0 ? 1 : Math.min(sent / size, 1);
  return (
    <li className={styles.row} data-testid="upload">
      <span className={styles.thumb} aria-hidden="true">
        <Icon name="file" size={20} />
      </span>
      <div className={styles.words}>
        <span className={styles.name}>{name}</span>
        {failure ? (
          <span className={styles.failure} role="alert">
            {t('attachments.notUploaded', { reason: reason(failureText(failure, t)) })}
          </span>
        ) : (
          <span className={styles.progress}>
            <progress max={1} value={share} aria-label={t('attachments.uploading', { name })} />
            <span>
              {Math.floor(share * 100)} % · {bytesText(size, language)}
            </span>
          </span>
        )}
      </div>
      <Button
        look="quiet"
        square
        aria-label={t(failure ? 'attachments.forget' : 'attachments.cancel', { name })}
        onClick={() => {
          uploads.drop(id);
        }}
      >
        <Icon name="close" />
      </Button>
    </li>
  );
}

/** Some failures are sentences of their own; within another one their full stop would stand twice. */
function reason(text: string): string {
  return text.replace(/\.$/, '');
}
