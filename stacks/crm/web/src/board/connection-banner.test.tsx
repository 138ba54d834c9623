// @vitest-environment jsdom
import '../test-setup';
import { act, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { I18nProvider } from '../i18n/i18n';
import { ConnectionBanner } from './connection-banner';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function banner(online: boolean, reading: boolean) {
  return (
    <I18nProvider>
      <ConnectionBanner
        online={online}
        live="live"
        failure={null}
        reading={reading}
        onRetry={vi.fn()}
      />
    </I18nProvider>
  );
}

it('says that the connection is lost until the board was read again, and then that it is back', () => {
  const { rerender } = render(banner(true, true));
  expect(screen.queryByRole('status')).toBeNull();
  rerender(banner(false, false));
  expect(screen.getByRole('status').textContent).toContain('No connection');
  rerender(banner(true, true));
  expect(screen.getByRole('status').textContent).toContain('No connection');
  rerender(banner(true, false));
  expect(screen.getByRole('status').textContent).toContain('Connected again');
  act(() => {
    vi.runAllTimers();
  });
  expect(screen.queryByRole('status')).toBeNull();
});
