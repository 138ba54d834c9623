/** Shown by a build that was made without the address of a stack. */
import { useI18n } from '../i18n/i18n';
import { PageState } from './page-state';

export function MissingEnvPage({ names }: { names: readonly string[] }) {
  const { t } = useI18n();
  return (
    <main>
      <PageState
        failed
        title={t('env.title', { names: names.join(', ') })}
        detail={t('env.detail')}
      />
    </main>
  );
}
