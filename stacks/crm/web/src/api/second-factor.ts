/** The second factor: an authenticator application that shows a code every half a minute. */
import type { Session } from '@supabase/supabase-js';
import { api } from './client';
import { toFailure } from './failure';

export interface FactorRow {
  readonly id: string;
  readonly name: string;
}

export interface NewFactor {
  readonly id: string;
  /** An image address of the QR code. */
  readonly image: string;
  readonly secret: string;
}

/** Whether this session still has to prove a second factor. */
export async function needsCode(session: Session): Promise<boolean> {
  // Without a factor there is nothing to ask, so most people cost no second look at the token.
  if (verified(session.user.factors).length === 0) return false;
  const { data, error } = await api().auth.mfa.getAuthenticatorAssuranceLevel();
  if (error) throw toFailure(error);
  return data.currentLevel === 'aal1' && data.nextLevel === 'aal2';
}

/** Proves the factor that the person has; the session is stronger from then on. */
export async function proveFactor(code: string): Promise<void> {
  const [factor] = await loadFactors();
  if (factor) await confirmFactor(factor.id, code);
}

export async function loadFactors(): Promise<readonly FactorRow[]> {
  const { data, error } = await api().auth.mfa.listFactors();
  if (error) throw toFailure(error);
  return data.totp.map((factor) => ({ id: factor.id, name: factor.friendly_name ?? '' }));
}

export async function startFactor(name: string): Promise<NewFactor> {
  const { data, error } = await api().auth.mfa.enroll({
    factorType: 'totp',
    friendlyName: name,
    issuer: 'CRM',
  });
  if (error) throw toFailure(error);
  return { id: data.id, image: data.totp.qr_code, secret: data.totp.secret };
}

export async function confirmFactor(factorId: string, code: string): Promise<void> {
  const { error } = await api().auth.mfa.challengeAndVerify({ factorId, code });
  if (error) throw toFailure(error);
}

export async function removeFactor(factorId: string): Promise<void> {
  const { error } = await api().auth.mfa.unenroll({ factorId });
  if (error) throw toFailure(error);
  // The token at hand still says that the factor was proved.
  await api().auth.refreshSession();
}

function verified(factors: Session['user']['factors']) {
  return (factors ?? []).filter((factor) => factor.status === 'verified');
}
