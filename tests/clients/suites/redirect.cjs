// The suite's address is written into its tests; the core under test listens elsewhere.
const send = globalThis.fetch
globalThis.fetch = (input, init) =>
  send(
    typeof input === 'string' ? input.replace(process.env.SUITE_URL, process.env.CORE_URL) : input,
    init,
  )
