import react from '@vitejs/plugin-react';
import { loadEnv } from 'vite';
import { defineConfig } from 'vitest/config';

// `gavan dev` says where the site belongs and where the backend is.
const { PORT = '5173', BACKEND_URL = 'http://127.0.0.1:3000' } = loadEnv('', '.', [
  'PORT',
  'BACKEND_URL',
]);

export default defineConfig({
  plugins: [react()],
  server: {
    port: Number(PORT),
    strictPort: true,
    proxy: { '/api': { target: BACKEND_URL, ws: true } },
  },
  build: { target: 'es2022' },
  test: { include: ['src/**/*.test.ts'] },
});
