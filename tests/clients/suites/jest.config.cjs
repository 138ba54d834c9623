// Runs the suite of SUITE_ROOT as it stands; its own configuration wants a whole monorepo round it.
const { existsSync } = require('node:fs')
const sequencer = `${process.env.SUITE_ROOT}/test/testSequencer.js`
module.exports = {
  rootDir: process.env.SUITE_ROOT,
  testMatch: JSON.parse(process.env.SUITE_FILES).map((file) => `<rootDir>/test/${file}`),
  ...(existsSync(sequencer) ? { testSequencer: sequencer } : {}),
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
