// Rows, embeds, writes and functions through @supabase/supabase-js.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'

import { anonClient, newBoard, newCard, newUser, ok, serviceClient } from './common.mjs'

let ada, board, columns

before(async () => {
  ada = await newUser('ada')
  ;({ board, columns } = await newBoard(ada.client))
})

const client = () => ada.client

test('a board comes with its columns in order and its owner embedded', async () => {
  const { data } = ok(
    await client().from('board')
      .select('id, name, column(key, wip_limit), board_member(role, email)')
      .eq('id', board.id)
      .order('position', { referencedTable: 'column' })
      .single())
  assert.deepEqual(data.column.map((c) => c.key),
    ['backlog', 'ready', 'inprogress', 'review', 'done'])
  assert.deepEqual(data.board_member, [{ role: 'owner', email: ada.email }])
})

test('a card embeds its task and its column through composite keys', async () => {
  const card = await newCard(client(), columns.backlog, 'Embed me',
    { labels: ['a', 'b'], priority: 1, due_date: '2030-01-31' })
  const { data } = ok(
    await client().from('card').select('id, task(title, labels, due_date), at:column(key)')
      .eq('id', card.id).single())
  assert.deepEqual(data, {
    id: card.id,
    task: { title: 'Embed me', labels: ['a', 'b'], due_date: '2030-01-31' },
    at: { key: 'backlog' },
  })
})

test('an inner embed filters the rows above it', async () => {
  await newCard(client(), columns.ready, 'Needle in the hay')
  const { data } = ok(
    await client().from('card').select('id, task!inner(title)').ilike('task.title', '%needle%'))
  assert.deepEqual(data.map((c) => c.task.title), ['Needle in the hay'])
})

test('insert, update and delete return the rows that were asked for', async () => {
  const { data: inserted, status } = ok(
    await client().from('task').insert({ board_id: board.id, title: 'One' }).select().single())
  assert.equal(status, 201)
  assert.equal(inserted.priority, 3)
  const { data: updated } = ok(
    await client().from('task').update({ title: 'Two' }).eq('id', inserted.id).select('title'))
  assert.deepEqual(updated, [{ title: 'Two' }])
  const { data: deleted } = ok(
    await client().from('task').delete().eq('id', inserted.id).select('id'))
  assert.deepEqual(deleted, [{ id: inserted.id }])
})

test('an insert without select answers with nothing', async () => {
  const { data, status } = ok(
    await client().from('task').insert({ board_id: board.id, title: 'Silent' }))
  assert.equal(data, null)
  assert.equal(status, 201)
})

test('upsert inserts what is new and changes what is there', async () => {
  const rows = [randomUUID(), randomUUID()].map((id) => ({ id, board_id: board.id, title: 'First' }))
  ok(await client().from('task').insert(rows[0]))
  const { data } = ok(
    await client().from('task').upsert(rows.map((r) => ({ ...r, title: 'Second' }))).select())
  assert.deepEqual(data.map((r) => r.title), ['Second', 'Second'])
  const { data: ignored } = ok(
    await client().from('task')
      .upsert({ ...rows[0], title: 'Third' }, { ignoreDuplicates: true }).select())
  assert.deepEqual(ignored, [])
})

test('upsert by a unique key instead of the primary key', async () => {
  const row = { board_id: board.id, key: 'blocked', name: 'Blocked', position: 9 }
  ok(await client().from('column').insert(row))
  const { data } = ok(
    await client().from('column')
      .upsert({ ...row, name: 'On hold' }, { onConflict: 'board_id,key' }).select('name'))
  assert.deepEqual(data, [{ name: 'On hold' }])
  ok(await client().from('column').delete().eq('board_id', board.id).eq('key', 'blocked'))
})

test('filters of every kind agree with the rows', async () => {
  const { board: other } = await newBoard(client(), 'Filters')
  ok(await client().from('task').insert([
    { board_id: other.id, title: 'a', priority: 1, labels: ['x', 'y'], estimate: null },
    { board_id: other.id, title: 'b', priority: 2, labels: ['y'], estimate: 5 },
    { board_id: other.id, title: 'c, (and) more', priority: 4, labels: [], estimate: 8 },
  ]))
  const titles = async (filter) => {
    const query = client().from('task').select('title').eq('board_id', other.id).order('title')
    return ok(await filter(query)).data.map((r) => r.title[0]).join('')
  }
  assert.equal(await titles((q) => q.neq('title', 'a')), 'bc')
  assert.equal(await titles((q) => q.gt('priority', 1).lte('priority', 2)), 'b')
  assert.equal(await titles((q) => q.in('title', ['a', 'c, (and) more'])), 'ac')
  assert.equal(await titles((q) => q.is('estimate', null)), 'a')
  assert.equal(await titles((q) => q.not('estimate', 'is', null)), 'bc')
  assert.equal(await titles((q) => q.contains('labels', ['y'])), 'ab')
  assert.equal(await titles((q) => q.overlaps('labels', ['x', 'z'])), 'a')
  assert.equal(await titles((q) => q.or('priority.eq.4,and(priority.eq.1,title.eq.a)')), 'ac')
  assert.equal(await titles((q) => q.match({ title: 'b', priority: 2 })), 'b')
  assert.equal(await titles((q) => q.like('title', '%(and)%')), 'c')
  assert.equal(await titles((q) => q.order('priority', { ascending: false }).range(0, 1)), 'ab')
})

test('an exact count comes with the page and without rows', async () => {
  const { board: other } = await newBoard(client(), 'Counting')
  ok(await client().from('task').insert(
    Array.from({ length: 7 }, (_, n) => ({ board_id: other.id, title: `task ${n}` }))))
  const page = ok(
    await client().from('task').select('title', { count: 'exact' })
      .eq('board_id', other.id).order('title').range(2, 4))
  assert.deepEqual(page.data.map((r) => r.title), ['task 2', 'task 3', 'task 4'])
  assert.equal(page.count, 7)
  const head = ok(
    await client().from('task').select('*', { count: 'exact', head: true }).eq('board_id', other.id))
  assert.equal(head.count, 7)
})

test('a single row that is not there is an error, a maybe is null', async () => {
  const { error, status } = await client().from('task').select().eq('id', randomUUID()).single()
  assert.equal(error.code, 'PGRST116')
  assert.equal(status, 406)
  const { data } = ok(await client().from('task').select().eq('id', randomUUID()).maybeSingle())
  assert.equal(data, null)
})

test('json paths are read and filtered', async () => {
  ok(await client().from('node').insert(
    { board_id: board.id, kind: 'person', name: 'Grace', meta: { address: { city: 'Tver' }, age: 36 } }))
  const { data } = ok(
    await client().from('node').select('name, city:meta->address->>city')
      .eq('meta->address->>city', 'Tver').gt('meta->age', 30))
  assert.deepEqual(data, [{ name: 'Grace', city: 'Tver' }])
})

test('moving a card answers with the card, a full column with 409 and its limit', async () => {
  const card = await newCard(client(), columns.backlog, 'Mover')
  const { data: moved } = ok(
    await client().rpc('move_card', { card_id: card.id, column_id: columns.review.id, position: 0 }))
  assert.equal(moved.column_id, columns.review.id)
  for (let n = 0; n < 2; n++) await newCard(client(), columns.review, `Filler ${n}`)
  const { error, status } = await client().rpc('create_card',
    { column_id: columns.review.id, title: 'Too many' })
  assert.equal(status, 409)
  assert.equal(error.code, 'PT409')
  assert.equal(JSON.parse(error.details).limit, 3)
})

test('a constraint that fails says which one', async () => {
  const { error, status } = await client().from('task').insert({ board_id: board.id, title: '  ' })
  assert.equal(status, 400)
  assert.equal(error.code, '23514')
  const { error: foreign } = await client().from('task')
    .insert({ board_id: board.id, title: 'x', assignee: randomUUID() })
  assert.equal(foreign.code, '23503')
})

test('a stranger sees nothing and writes nothing', async () => {
  const eve = await newUser('eve')
  assert.deepEqual(ok(await eve.client.from('card').select('*, task(*)')).data, [])
  const { error } = await eve.client.from('task').insert({ board_id: board.id, title: 'mine' })
  assert.equal(error.code, '42501')
  const { error: moving } = await eve.client.rpc('create_card',
    { column_id: columns.backlog.id, title: 'mine' })
  assert.equal(moving.code, 'PT404')
})

test('without an account the tables are closed, with the service key open', async () => {
  const { error, status } = await anonClient().from('board').select()
  assert.equal(error.code, '42501')
  assert.equal(status, 401)
  const { data } = ok(await serviceClient().from('board').select('id').eq('id', board.id))
  assert.equal(data.length, 1)
})

test('an unknown table and column are named with a suggestion', async () => {
  const { error } = await client().from('cards').select()
  assert.equal(error.code, 'PGRST205')
  assert.match(error.hint, /card/)
  const { error: column } = await client().from('task').select('tittle')
  assert.equal(column.code, '42703')
})
