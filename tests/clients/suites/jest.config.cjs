// Runs the suite of SUITE_ROOT as it stands; its own configuration wants a whole monorepo round it.
module.exports = {
  rootDir: process.env.SUITE_ROOT,
  testMatch: ['<rootDir>/test/*.test.ts'],
  testSequencer: '<rootDir>/test/testSequencer.js',
  testTimeout: 30000,
  maxWorkers: 1,
  setupFiles: [require.resolve('./redirect.cjs')],
  transform: {
    '\\.ts$': [
      require.resolve('@swc/jest'),
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'commonjs' } },
    ],
  },
}
