/** One error type for everything the stack can answer, so that pages choose words by `kind`, never by text. */

export type FailureKind =
  | 'offline'
  | 'unauthorised'
  | 'forbidden'
  | 'missing'
  | 'conflict'
  | 'wip_limit'
  | 'invalid'
  | 'credentials'
  | 'code'
  | 'user_exists'
  | 'weak_password'
  | 'too_many'
  | 'too_large'
  | 'wrong_type'
  | 'unknown';

export class Failure extends Error {
  override readonly name = 'Failure';

  constructor(
    readonly kind: FailureKind,
    message: string,
    readonly code: string | null = null,
    readonly details: string | null = null,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

// The left side: PostgREST and SQLSTATE codes, GoTrue's error codes, then the statuses that the
// storage service tells in the body.
const KIND_BY_CODE: Readonly<Record<string, FailureKind>> = {
  // The database is away or on its way back: the pool says so, then Postgres itself.
  PGRST000: 'offline',
  PGRST001: 'offline',
  PGRST002: 'offline',
  PGRST003: 'offline',
  '57P01': 'offline',
  '57P02': 'offline',
  '57P03': 'offline',
  '08006': 'offline',
  PGRST301: 'unauthorised',
  PGRST302: 'unauthorised',
  PGRST303: 'unauthorised',
  PGRST116: 'missing',
  '42501': 'forbidden',
  '23505': 'conflict',
  '23503': 'conflict',
  '23514': 'invalid',
  '22P02': 'invalid',
  '22001': 'invalid',
  PT404: 'missing',
  PT409: 'wip_limit',
  invalid_credentials: 'credentials',
  mfa_verification_failed: 'code',
  mfa_challenge_expired: 'code',
  otp_expired: 'code',
  user_already_exists: 'user_exists',
  email_exists: 'user_exists',
  weak_password: 'weak_password',
  over_request_rate_limit: 'too_many',
  over_email_send_rate_limit: 'too_many',
  email_address_invalid: 'invalid',
  validation_failed: 'invalid',
  bad_jwt: 'unauthorised',
  session_not_found: 'unauthorised',
  '403': 'forbidden',
  '404': 'missing',
  '409': 'conflict',
  '413': 'too_large',
  '415': 'wrong_type',
  '429': 'too_many',
};

interface ErrorShape {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly status?: unknown;
  readonly statusCode?: unknown;
  readonly details?: unknown;
}

/** Makes a Failure of whatever supabase-js returned or threw; the data API tells its status beside the error. */
export function toFailure(cause: unknown, status?: number): Failure {
  if (cause instanceof Failure) return cause;
  const shape = (typeof cause === 'object' && cause !== null ? cause : {}) as ErrorShape;
  const message = typeof shape.message === 'string' ? shape.message : String(cause);
  const code = text(shape.statusCode) ?? text(shape.code);
  const details = typeof shape.details === 'string' ? shape.details : null;
  return new Failure(kindOf(code, message, status ?? shape.status), message, code, details, {
    cause,
  });
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function kindOf(code: string | null, message: string, status: unknown): FailureKind {
  const byCode = code ? KIND_BY_CODE[code] : undefined;
  if (byCode) return byCode;
  if (isUnreachable(message, status)) return 'offline';
  if (status === 401) return 'unauthorised';
  if (status === 429) return 'too_many';
  return 'unknown';
}

// fetch has no code for "nothing answered"; each browser words it in its own way.
function isUnreachable(message: string, status: unknown): boolean {
  if (status === 502 || status === 503 || status === 504) return true;
  return /failed to fetch|networkerror|load failed|network request failed|fetch failed/i.test(
    message,
  );
}

export interface WipRefusal {
  readonly column: string;
  readonly limit: number;
}

/** Which column was full, from the details of a PT409; null when they say nothing of the kind. */
export function wipRefusal(failure: Failure): WipRefusal | null {
  if (failure.kind !== 'wip_limit' || !failure.details) return null;
  try {
    const found = JSON.parse(failure.details) as Partial<WipRefusal> | null;
    if (typeof found?.column !== 'string' || typeof found.limit !== 'number') return null;
    return { column: found.column, limit: found.limit };
  } catch {
    return null;
  }
}
