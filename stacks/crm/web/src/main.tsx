/** Start of the page: without the address of a stack it says so, otherwise it renders the application. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app';
import { readEnv } from './env';
import { I18nProvider } from './i18n/i18n';
import { MissingEnvPage } from './ui/missing-env-page';
import './ui/tokens.css';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');

const env = readEnv(import.meta.env);
createRoot(root).render(
  <StrictMode>
    <I18nProvider>
      {'missing' in env ? <MissingEnvPage names={env.missing} /> : <App />}
    </I18nProvider>
  </StrictMode>,
);
