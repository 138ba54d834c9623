// Clients, accounts and boards that the JavaScript tests share.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'

import { createClient } from '@supabase/supabase-js'
import WebSocket from 'ws'

const { SUPABASE_URL, SUPABASE_ANON_KEY, SUPABASE_SERVICE_KEY } = process.env
export const password = 'correct horse battery'

const options = {
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: { transport: WebSocket }, // Node 20 has no WebSocket of its own
}

export function anonClient() {
  return createClient(SUPABASE_URL, SUPABASE_ANON_KEY, options)
}

export function serviceClient() {
  return createClient(SUPABASE_URL, SUPABASE_SERVICE_KEY, options)
}

export function newEmail(name) {
  return `${name}-${randomUUID().slice(0, 8)}@example.org`
}

// Signs up a new account; the client keeps its session.
export async function newUser(name = 'user') {
  const client = anonClient()
  const email = newEmail(name)
  const { data } = ok(await client.auth.signUp({ email, password }))
  return { client, email, id: data.user.id }
}

// A board of one's own with its columns by key.
export async function newBoard(client, name = 'Work') {
  const { data: board } = ok(await client.rpc('create_board', { name }))
  const { data: list } = ok(
    await client.from('column').select().eq('board_id', board.id).order('position'))
  return { board, columns: Object.fromEntries(list.map((c) => [c.key, c])) }
}

export async function newCard(client, column, title, rest = {}) {
  const { data } = ok(
    await client.rpc('create_card', { column_id: column.id, title, ...rest }))
  return data
}

export function ok(response) {
  assert.equal(response.error, null, JSON.stringify(response.error))
  return response
}

// Polls until the condition gives something true.
export async function until(condition, what, timeoutMs = 15000) {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > deadline) assert.fail(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

// Resolves when the channel is subscribed, rejects when the server refuses it.
export function subscribed(channel) {
  return new Promise((resolve, reject) => {
    channel.subscribe((status, error) => {
      if (status === 'SUBSCRIBED') resolve(channel)
      else if (status === 'CHANNEL_ERROR' || status === 'TIMED_OUT') {
        reject(error ?? new Error(status))
      }
    })
  })
}
