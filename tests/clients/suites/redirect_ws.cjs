// As redirect.cjs for sockets. Node 20 has no WebSocket of its own, and what it lacks the suites miss.
const WebSocket = require('ws')
const addresses = Object.entries(JSON.parse(process.env.SUITE_ADDRESSES)).map((pair) =>
  pair.map((address) => address.replace(/^http/, 'ws'))
)
globalThis.WebSocket = class extends WebSocket {
  constructor(address, ...options) {
    const text = String(address)
    const found = addresses.find(([suite]) => text.startsWith(suite))
    super(found ? found[1] + text.slice(found[0].length) : text, ...options)
  }
}
