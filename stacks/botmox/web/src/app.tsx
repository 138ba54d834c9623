/** The page: who is signed in, how the backend is, and the artifacts. */
import { useEffect, useState } from 'react';
import { Artifacts } from './artifacts';
import { useLive } from './live';
import { leave, watchSession } from './session';
import { SignIn } from './sign-in';

export function App() {
  const [email, setEmail] = useState<string | null | undefined>(undefined);
  useEffect(() => watchSession(setEmail), []);
  return (
    <>
      <header>
        <h1>Botmox</h1>
        <Status />
        {typeof email === 'string' && (
          <div className="who">
            <span title={email}>{email}</span>
            <button type="button" className="quiet" onClick={() => void leave()}>
              Sign out
            </button>
          </div>
        )}
      </header>
      <main>
        {email === null && <SignIn />}
        {typeof email === 'string' && <Artifacts key={email} />}
      </main>
    </>
  );
}

function Status() {
  const { status, release, degraded } = useLive();
  const without = degraded.length > 0 ? `, without ${degraded.join(', ')}` : '';
  return (
    <p className={`status ${status.replaceAll(' ', '-')}`} role="status" title={release}>
      Backend: {status}
      {without}
    </p>
  );
}
