// Row changes, broadcast and presence through @supabase/supabase-js.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { newBoard, newCard, newUser, ok, serviceClient, subscribed, until } from './common.mjs'

let ada, eve, board, columns
const clients = []

before(async () => {
  ada = await newUser('ada')
  eve = await newUser('eve')
  clients.push(ada.client, eve.client)
  ;({ board, columns } = await newBoard(ada.client))
})

// Open sockets would keep node alive.
after(() => Promise.all(clients.map((client) => client.removeAllChannels())))

// Collects what a client hears about a table.
async function listening(client, table, filter, event = '*') {
  const heard = []
  const channel = client.channel(`changes-${table}-${Math.random()}`)
    .on('postgres_changes', { event, schema: 'public', table, filter }, (p) => heard.push(p))
  await ready(channel)
  return heard
}

// Changes flow once the server has said so on the channel's own topic.
async function ready(channel) {
  let flowing = false
  channel.on('system', {}, (m) => {
    if (m.extension === 'postgres_changes' && m.status === 'ok') flowing = true
  })
  await subscribed(channel)
  await until(() => flowing, 'postgres_changes are on')
}

test('a moved card is heard with its new and old row by a member', async () => {
  const card = await newCard(ada.client, columns.backlog, 'Follow me')
  const heard = await listening(ada.client, 'card', `board_id=eq.${board.id}`)
  ok(await ada.client.rpc('move_card', { card_id: card.id, column_id: columns.ready.id }))
  const [change] = await until(() => heard.length && heard, 'the move')
  assert.equal(change.eventType, 'UPDATE')
  assert.equal(change.table, 'card')
  assert.equal(change.new.column_id, columns.ready.id)
  assert.equal(change.new.archived, false)
  assert.equal(typeof change.new.position, 'number')
  assert.deepEqual(change.old, { id: card.id })
})

test('inserts and deletes are heard, typed as the columns are', async () => {
  const heard = await listening(ada.client, 'task', undefined)
  const { data: task } = ok(
    await ada.client.from('task')
      .insert({ board_id: board.id, title: 'Тест "x"', labels: ['a', 'b c'], due_date: '2030-01-31' })
      .select().single())
  // Who may see a row is asked of the row itself: it must be there when its insert is sent.
  await until(() => heard.length, 'the insert')
  ok(await ada.client.from('task').delete().eq('id', task.id))
  await until(() => heard.length >= 2, 'the delete')
  const [inserted, deleted] = heard
  assert.equal(inserted.eventType, 'INSERT')
  assert.deepEqual(
    { title: inserted.new.title, labels: inserted.new.labels, due: inserted.new.due_date,
      estimate: inserted.new.estimate, priority: inserted.new.priority },
    { title: 'Тест "x"', labels: ['a', 'b c'], due: '2030-01-31', estimate: null, priority: 3 })
  assert.equal(deleted.eventType, 'DELETE')
  assert.deepEqual(deleted.old, { id: task.id })
})

test('the table with the reserved name is followed like any other', async () => {
  const heard = await listening(ada.client, 'column', `board_id=eq.${board.id}`, 'UPDATE')
  ok(await ada.client.from('column').update({ wip_limit: 7 }).eq('id', columns.inprogress.id))
  const [change] = await until(() => heard.length && heard, 'the new limit')
  assert.equal(change.new.wip_limit, 7)
})

test('a stranger hears nothing of a board that is not his', async () => {
  const eavesdropped = await listening(eve.client, 'task', `board_id=eq.${board.id}`)
  const control = await newBoard(eve.client, 'Own')
  const own = await listening(eve.client, 'task', `board_id=eq.${control.board.id}`)
  ok(await ada.client.from('task').insert({ board_id: board.id, title: 'secret' }))
  ok(await eve.client.from('task').insert({ board_id: control.board.id, title: 'mine' }))
  await until(() => own.length, 'the own task, written after the secret one')
  assert.deepEqual(eavesdropped, [])
})

test('an invited member hears of his membership and then of the board', async () => {
  const bob = await newUser('bob')
  clients.push(bob.client)
  const joined = await listening(bob.client, 'board_member', `user_id=eq.${bob.id}`, 'INSERT')
  const cards = await listening(bob.client, 'card', `board_id=eq.${board.id}`)
  ok(await ada.client.rpc('invite_member', { board_id: board.id, email: bob.email }))
  const [membership] = await until(() => joined.length && joined, 'the invitation')
  assert.equal(membership.new.board_id, board.id)
  await newCard(ada.client, columns.backlog, 'For Bob')
  await until(() => cards.some((c) => c.eventType === 'INSERT'), 'a card of the board')
})

test('a broadcast reaches the others and, when asked for, oneself', async () => {
  const name = `room-${Math.random()}`
  const heard = { ada: [], eve: [] }
  const mine = ada.client.channel(name, { config: { broadcast: { self: true, ack: true } } })
    .on('broadcast', { event: 'cursor' }, (m) => heard.ada.push(m.payload))
  const other = eve.client.channel(name)
    .on('broadcast', { event: 'cursor' }, (m) => heard.eve.push(m.payload))
  await Promise.all([subscribed(mine), subscribed(other)])
  assert.equal(await mine.send({ type: 'broadcast', event: 'cursor', payload: { x: 1, y: 'ü' } }), 'ok')
  await until(() => heard.ada.length && heard.eve.length, 'the cursor on both sides')
  assert.deepEqual(heard, { ada: [{ x: 1, y: 'ü' }], eve: [{ x: 1, y: 'ü' }] })
})

test('a broadcast can be sent over HTTP', async () => {
  const name = `room-${Math.random()}`
  const heard = []
  const listener = eve.client.channel(name).on('broadcast', { event: 'news' }, (m) => heard.push(m.payload))
  await subscribed(listener)
  const sender = serviceClient().channel(name)
  await sender.httpSend('news', { text: 'hello' })
  await until(() => heard.length, 'the news')
  assert.deepEqual(heard, [{ text: 'hello' }])
})

test('presence tells who comes, what they track, and who leaves', async () => {
  const name = `presence-${Math.random()}`
  const mine = ada.client.channel(name, { config: { presence: { key: 'ada' } } })
  const joins = []
  const leaves = []
  mine.on('presence', { event: 'join' }, (p) => joins.push(p.key))
  mine.on('presence', { event: 'leave' }, (p) => leaves.push(p.key))
  mine.on('presence', { event: 'sync' }, () => {})
  await subscribed(mine)
  ok({ error: null, sent: await mine.track({ looking_at: 'backlog' }) })
  const other = eve.client.channel(name, { config: { presence: { key: 'eve' } } })
  other.on('presence', { event: 'sync' }, () => {})
  await subscribed(other)
  await other.track({ looking_at: 'done' })
  await until(() => Object.keys(mine.presenceState()).length === 2, 'two people present')
  assert.equal(mine.presenceState().eve[0].looking_at, 'done')
  await until(() => Object.keys(other.presenceState()).length === 2, 'the newcomer sees both')
  await eve.client.removeChannel(other)
  await until(() => leaves.includes('eve'), 'eve has left')
  assert.deepEqual(Object.keys(mine.presenceState()), ['ada'])
  assert.ok(joins.includes('eve'))
})

test('a filter and a selection hold for each of two users', async () => {
  const bob = await newUser('bob')
  clients.push(bob.client)
  ok(await ada.client.rpc('invite_member', { board_id: board.id, email: bob.email }))
  const heard = { bob: [], eve: [] }
  for (const [name, client] of [['bob', bob.client], ['eve', eve.client]]) {
    const urgent = { event: 'INSERT', schema: 'public', table: 'task', filter: 'priority=lt.2', select: ['title'] }
    await ready(client.channel(`urgent-${Math.random()}`)
      .on('postgres_changes', urgent, (p) => heard[name].push(p.new)))
  }
  const control = await newBoard(eve.client, 'Own')
  const tasks = [{ title: 'later', priority: 3 }, { title: 'now', priority: 1 }]
  const { data } = ok(await ada.client.from('task')
    .insert(tasks.map((task) => ({ ...task, board_id: board.id }))).select())
  const { data: own } = ok(await eve.client.from('task')
    .insert({ board_id: control.board.id, title: 'mine', priority: 1 }).select().single())
  await until(() => heard.eve.length && heard.bob.length, 'the urgent tasks')
  assert.deepEqual(heard, {
    bob: [{ id: data[1].id, title: 'now' }],
    eve: [{ id: own.id, title: 'mine' }],
  })
})

test('in a private channel a stranger may neither hear nor speak', async () => {
  const name = `club:${ada.id}`
  const config = { private: true, broadcast: { self: true, ack: true } }
  const heard = []
  const mine = ada.client.channel(name, { config }).on('broadcast', { event: 'hi' }, (m) => heard.push(m.payload))
  await subscribed(mine)
  const hers = eve.client.channel(name, { config })
  await assert.rejects(subscribed(hers), /Unauthorized/)
  await assert.rejects(hers.httpSend('hi', { from: 'eve' }), /Unauthorized/)
  await eve.client.removeChannel(hers)
  assert.equal(await mine.send({ type: 'broadcast', event: 'hi', payload: { from: 'ada' } }), 'ok')
  await until(() => heard.length, 'the own broadcast')
  assert.deepEqual(heard, [{ from: 'ada' }])
})

test('what the database said is heard, and replayed to those who join later', async () => {
  const name = `club:${ada.id}:db`
  const since = Date.now() - 60_000
  const listen = (config, heard) => ada.client.channel(name, { config: { private: true, ...config } })
    .on('broadcast', { event: 'said' }, (m) => heard.push(m))
  const live = []
  const early = listen({ broadcast: { replication_ready: true } }, live)
  let flowing = false
  early.on('system', {}, (m) => { if (m.extension === 'system' && m.status === 'ok') flowing = true })
  await subscribed(early)
  await until(() => flowing, 'the database can be heard')
  ok(await ada.client.rpc('say', { topic: name, words: 'first' }))
  await until(() => live.length, 'what the database said')
  assert.equal(live[0].payload.words, 'first')
  await ada.client.removeChannel(early)
  const replayed = []
  await subscribed(listen({ broadcast: { replay: { since, limit: 5 } } }, replayed))
  await until(() => replayed.length, 'the replay')
  assert.deepEqual(replayed.map((m) => [m.payload.words, m.meta.replayed]), [['first', true]])
})
