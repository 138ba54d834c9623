// Buckets, objects, signed URLs and listings through @supabase/supabase-js.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'

import { anonClient, newUser, ok, serviceClient } from './common.mjs'

const bytes = new Uint8Array(Array.from({ length: 1000 }, (_, i) => i % 256))
const service = serviceClient()
let ada, ben

before(async () => {
  const { error } = await service.storage.createBucket('people')
  assert.ok(error === null || error.message === 'The resource already exists', error?.message)
  ada = await newUser('ada')
  ben = await newUser('ben')
})

// Policies give everybody the folder of their own id.
const own = (user, name) => `${user.id}/${name}`
const people = (user) => user.client.storage.from('people')

async function content(blob) {
  return new Uint8Array(await blob.arrayBuffer())
}

test('an object goes up, is told of and comes down as it was', async () => {
  const path = own(ada, 'up/cat.bin')
  const { data } = ok(
    await people(ada).upload(path, new Blob([bytes], { type: 'image/x-cat' }), {
      cacheControl: '60', metadata: { colour: 'grey' },
    }))
  assert.equal(data.path, path)
  assert.equal(data.fullPath, `people/${path}`)
  const { data: info } = ok(await people(ada).info(path))
  assert.equal(info.id, data.id)
  assert.equal(info.size, bytes.length)
  assert.equal(info.contentType, 'image/x-cat')
  assert.equal(info.cacheControl, 'max-age=60')
  assert.deepEqual(info.metadata, { colour: 'grey' })
  const { data: blob } = ok(await people(ada).download(path))
  assert.equal(blob.type, 'image/x-cat')
  assert.deepEqual(await content(blob), bytes)
})

test('nobody reads, lists, overwrites or removes what is another one\'s', async () => {
  const path = own(ada, 'private.txt')
  ok(await people(ada).upload(path, 'mine'))
  for (const stranger of [ben.client, anonClient()]) {
    const room = stranger.storage.from('people')
    assert.equal((await room.download(path)).error.status, 400)
    assert.equal((await room.createSignedUrl(path, 60)).error.statusCode, '404')
    assert.deepEqual(ok(await room.list(ada.id)).data, [])
    assert.deepEqual(ok(await room.remove([path])).data, [])
    const { error } = await room.upload(path, 'yours', { upsert: true })
    assert.equal(error.message, 'new row violates row-level security policy')
    assert.equal(ok(await room.exists(path).then((r) => ({ ...r, error: null }))).data, false)
  }
  const { data } = ok(await people(ada).download(path))
  assert.equal(await data.text(), 'mine')
})

test('an object is not overwritten unless that is asked for', async () => {
  const path = own(ada, 'twice.txt')
  ok(await people(ada).upload(path, 'first'))
  const { error } = await people(ada).upload(path, 'second')
  assert.equal(error.statusCode, '409')
  ok(await people(ada).upload(path, 'third', { upsert: true }))
  ok(await people(ada).update(path, 'fourth'))
  const { data } = ok(await people(ada).download(path, {}, { cache: 'no-store' }))
  assert.equal(await data.text(), 'fourth')
})

test('a signed URL opens an object to whoever has it, and only that one', async () => {
  const path = own(ada, 'signed file @+$,;=.txt')
  ok(await people(ada).upload(path, 'for you'))
  const { data } = ok(await people(ada).createSignedUrl(path, 60, { download: 'n.txt' }))
  const answer = await fetch(data.signedUrl)
  assert.equal(await answer.text(), 'for you')
  assert.match(answer.headers.get('content-disposition'), /^attachment; filename=n\.txt/)
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
  const other = data.signedUrl.replace('signed', 'other')
  assert.equal((await fetch(other)).status, 400)
  const { data: many } = ok(await people(ada).createSignedUrls([path, own(ada, 'none')], 60))
  assert.deepEqual(many.map((one) => one.error === null), [true, false])
})

test('whoever has an upload token uploads once, without an account', async () => {
  const path = own(ada, 'by-token.txt')
  const { data } = ok(await people(ada).createSignedUploadUrl(path))
  const stranger = anonClient().storage.from('people')
  ok(await stranger.uploadToSignedUrl(path, data.token, 'given'))
  const { error } = await stranger.uploadToSignedUrl(path, data.token, 'again')
  assert.equal(error.statusCode, '409')
  const { data: blob } = ok(await people(ada).download(path))
  assert.equal(await blob.text(), 'given')
})

test('bytes without a type are text, and a slash before a path is none', async () => {
  const path = own(ada, 'untyped')
  ok(await people(ada).upload(path, Buffer.from('plain')))
  const { data: blob } = ok(await people(ada).download(path))
  assert.equal(blob.type, 'text/plain;charset=utf-8')
  const { data } = ok(await people(ada).createSignedUploadUrl(`/${own(ada, 'leading/slash.png')}`))
  assert.ok(new URL(data.signedUrl).pathname.endsWith(`/people/${own(ada, 'leading/slash.png')}`))
})

test('objects are moved, copied, listed in pages and removed', async () => {
  const folder = own(ada, 'pages')
  for (const name of ['a.txt', 'b.txt', 'inner/c.txt']) {
    ok(await people(ada).upload(`${folder}/${name}`, name))
  }
  ok(await people(ada).move(`${folder}/a.txt`, `${folder}/z.txt`))
  ok(await people(ada).copy(`${folder}/z.txt`, `${folder}/y.txt`))
  const { data: listed } = ok(await people(ada).list(folder))
  assert.deepEqual(listed.map((one) => one.name), ['b.txt', 'inner', 'y.txt', 'z.txt'])
  const { data: page } = ok(
    await people(ada).listV2({ prefix: `${folder}/`, limit: 2, with_delimiter: true }))
  assert.deepEqual(page.objects.map((one) => one.name), [`${folder}/b.txt`])
  assert.deepEqual(page.folders.map((one) => one.name), [`${folder}/inner/`])
  const { data: rest } = ok(await people(ada).listV2({
    prefix: `${folder}/`, limit: 2, with_delimiter: true, cursor: page.nextCursor,
  }))
  assert.deepEqual(rest.objects.map((one) => one.key), ['y.txt', 'z.txt'])
  assert.equal(rest.hasNext, false)
  const names = ['b.txt', 'inner/c.txt', 'y.txt', 'z.txt'].map((name) => `${folder}/${name}`)
  assert.equal(ok(await people(ada).remove(names)).data.length, 4)
  assert.deepEqual(ok(await people(ada).list(folder)).data, [])
})

test('a public bucket is read by its URL, within its limits of type and size', async () => {
  const id = `public-${randomUUID().slice(0, 8)}`
  ok(await service.storage.createBucket(id, {
    public: true, fileSizeLimit: '1kb', allowedMimeTypes: ['text/*'],
  }))
  const room = service.storage.from(id)
  ok(await room.upload('a.html', '<b>bold</b>', { contentType: 'text/html' }))
  const answer = await fetch(room.getPublicUrl('a.html').data.publicUrl)
  assert.equal(await answer.text(), '<b>bold</b>')
  assert.match(answer.headers.get('content-type'), /^text\/plain/)
  const { error: type } = await room.upload('a.png', 'x', { contentType: 'image/png' })
  assert.equal(type.statusCode, '415')
  const { error: size } = await room.upload('b.txt', 'x'.repeat(1001), { contentType: 'text/plain' })
  assert.equal(size.statusCode, '413')
  assert.equal((await service.storage.deleteBucket(id)).error.statusCode, '409')
  ok(await service.storage.emptyBucket(id))
  ok(await service.storage.deleteBucket(id))
})
