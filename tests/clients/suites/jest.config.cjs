// Runs the suite of SUITE_ROOT as it stands; its own configuration wants a whole monorepo round it.
const { existsSync } = require('node:fs')
const sequencer = `${process.env.SUITE_ROOT}/test/testSequencer.js`
module.exports = {
  rootDir: process.env.SUITE_ROOT,
  testMatch: JSON.parse(process.env.SUITE_FILES).map((file) => `<rootDir>/test/${file}`),
  ...(existsSync(sequencer) ? { testSequencer: sequencer } : {}),
  testTimeout: 30000,
  maxWorkers: 1,
  // The packages of the monorepo find one another as they stand there, not as npm has them.
  moduleNameMapper: {
    '^@supabase/(\\w+-js)$': '<rootDir>/../$1/src/index.ts',
    '^@supabase/tracing$': '<rootDir>/../../shared/tracing/src/index.ts',
  },
  setupFiles: [require.resolve('./redirect.cjs'), require.resolve('./redirect_ws.cjs')],
  // What the suites themselves use: they replace exports, which other compilers freeze.
  transform: {
    '\\.ts$': [
      require.resolve('ts-jest'),
      {
        diagnostics: false,
        tsconfig: {
          target: 'es2022',
          module: 'commonjs',
          esModuleInterop: true,
          isolatedModules: true,
          resolveJsonModule: true,
        },
      },
    ],
  },
}
