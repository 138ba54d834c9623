/** Words for a Failure, in the language of the page. */
import type { Failure, FailureKind } from '../api/failure';
import type { MessageKey } from '../i18n/en';
import type { Translate } from '../i18n/i18n';

const KEYS: Record<FailureKind, MessageKey> = {
  offline: 'failure.offline',
  unauthorised: 'failure.unauthorised',
  forbidden: 'failure.forbidden',
  missing: 'failure.missing',
  conflict: 'failure.conflict',
  wip_limit: 'failure.wipLimit',
  invalid: 'failure.invalid',
  credentials: 'failure.credentials',
  code: 'failure.code',
  user_exists: 'failure.userExists',
  weak_password: 'failure.weakPassword',
  too_many: 'failure.tooMany',
  too_large: 'failure.tooLarge',
  wrong_type: 'failure.wrongType',
  unknown: 'failure.unknown',
};

export function failureText(failure: Failure, t: Translate): string {
  return t(KEYS[failure.kind], { message: failure.message.replace(/\.$/, '') });
}
