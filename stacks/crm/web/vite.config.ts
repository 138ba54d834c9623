import react from '@vitejs/plugin-react';
import { loadEnv } from 'vite';
import { defineConfig } from 'vitest/config';

// `gavan dev` says by PORT where the site belongs.
const { PORT = '5173' } = loadEnv('', '.', 'PORT');

export default defineConfig({
  plugins: [react()],
  server: { port: Number(PORT), strictPort: true },
  build: { target: 'es2022', chunkSizeWarningLimit: 600 },
  test: {
    include: ['src/**/*.test.{ts,tsx}'],
    restoreMocks: true,
    // A busy machine must not fail a test: nothing here waits for time.
    testTimeout: 60_000,
  },
});
