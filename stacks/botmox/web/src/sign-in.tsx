import { useState, type SyntheticEvent } from 'react';
import { enter } from './session';

export function SignIn() {
  const [way, setWay] = useState<'in' | 'up'>('in');
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const label = way === 'in' ? 'Sign in' : 'Create account';

  async function submit(form: FormData): Promise<void> {
    setBusy(true);
    setProblem(await enter(way, text(form, 'email'), text(form, 'password')));
    setBusy(false);
  }

  return (
    <form
      className="card entry"
      onSubmit={(event: SyntheticEvent<HTMLFormElement>) => {
        event.preventDefault();
        void submit(new FormData(event.currentTarget));
      }}
    >
      <h2>{label}</h2>
      <label>
        Email
        <input name="email" type="email" autoComplete="email" required />
      </label>
      <label>
        Password
        <input
          name="password"
          type="password"
          minLength={8}
          autoComplete={way === 'in' ? 'current-password' : 'new-password'}
          required
        />
      </label>
      {problem !== null && <p role="alert">{problem}</p>}
      <button type="submit" disabled={isBusy}>
        {label}
      </button>
      <button
        type="button"
        className="quiet"
        onClick={() => {
          setWay(way === 'in' ? 'up' : 'in');
        }}
      >
        {way === 'in' ? 'I have no account yet' : 'I have an account'}
      </button>
    </form>
  );
}

function text(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value : '';
}
