// The unmodified tus-js-client against the core's storage, with the headers of Supabase's guides.
import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { test } from 'node:test'

import { createClient } from '@supabase/supabase-js'
import * as tus from 'tus-js-client'
import WebSocket from 'ws'

const { SUPABASE_URL, SUPABASE_ANON_KEY, SUPABASE_SERVICE_KEY } = process.env
const endpoint = `${SUPABASE_URL}/storage/v1/upload/resumable`
const chunkSize = 256 * 1024
const service = createClient(SUPABASE_URL, SUPABASE_SERVICE_KEY, {
  auth: { persistSession: false },
  realtime: { transport: WebSocket },
})
const headers = { authorization: `Bearer ${SUPABASE_SERVICE_KEY}`, apikey: SUPABASE_ANON_KEY }

async function newBucket(options = {}) {
  const name = `tus-${randomUUID().slice(0, 8)}`
  const { error } = await service.storage.createBucket(name, options)
  assert.equal(error, null)
  return name
}

function metadataOf(bucketName, objectName) {
  return { bucketName, objectName, contentType: 'image/png', cacheControl: '3600' }
}

// Uploads to the end; `started` gets the upload before it begins.
function upload(bytes, options, started = () => {}) {
  return new Promise((resolve, reject) => {
    const one = new tus.Upload(bytes, {
      endpoint,
      headers,
      chunkSize,
      retryDelays: [0, 100, 500, 1000],
      uploadDataDuringCreation: true,
      removeFingerprintOnSuccess: true,
      onError: reject,
      onSuccess: () => resolve(one),
      ...options,
    })
    started(one)
    one.start()
  })
}

async function digest(bucket, name) {
  const { data, error } = await service.storage.from(bucket).download(name)
  assert.equal(error, null)
  return createHash('sha256').update(Buffer.from(await data.arrayBuffer())).digest('hex')
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

test('an upload as the guides show it', async () => {
  const bucket = await newBucket()
  const bytes = randomBytes(chunkSize * 3 + 1)
  const seen = []
  await upload(bytes, {
    metadata: {
      ...metadataOf(bucket, 'folder/image.png'),
      metadata: JSON.stringify({ yourCustomMetadata: true }),
    },
    onProgress: (sent) => seen.push(sent),
  })
  assert.equal(seen.at(-1), bytes.length)
  assert.equal(await digest(bucket, 'folder/image.png'), sha256(bytes))
  const { data } = await service.storage.from(bucket).info('folder/image.png')
  assert.deepEqual(data.metadata, { yourCustomMetadata: true })
  assert.equal(data.contentType, 'image/png')
  assert.equal(data.cacheControl, 'max-age=3600')
})

test('an upload that is paused, and resumed by another client from its URL', async () => {
  const bucket = await newBucket()
  const bytes = randomBytes(chunkSize * 4)
  const url = await new Promise((resolve, reject) => {
    const one = new tus.Upload(bytes, {
      endpoint,
      headers,
      chunkSize,
      metadata: metadataOf(bucket, 'a'),
      onError: reject,
      onSuccess: () => reject(new Error('it was not paused')),
      onChunkComplete: (_size, accepted) => {
        if (accepted >= chunkSize * 2) one.abort().then(() => resolve(one.url), reject)
      },
    })
    one.start()
  })
  const resumed = await upload(bytes, { uploadUrl: url })
  assert.equal(resumed.url, url)
  assert.equal(await digest(bucket, 'a'), sha256(bytes))
})

test('an upload that is given up', async () => {
  const bucket = await newBucket()
  const url = await new Promise((resolve, reject) => {
    const one = new tus.Upload(randomBytes(chunkSize * 4), {
      endpoint,
      headers,
      chunkSize,
      metadata: metadataOf(bucket, 'a'),
      onError: reject,
      onChunkComplete: () => one.abort(true).then(() => resolve(one.url), reject),
    })
    one.start()
  })
  const gone = await fetch(url, { method: 'HEAD', headers: { ...headers, 'tus-resumable': '1.0.0' } })
  assert.equal(gone.status, 404)
})

test('many uploads at once, and an upsert of each', async () => {
  const bucket = await newBucket()
  const files = Array.from({ length: 8 }, () => randomBytes(chunkSize * 2 + 7))
  const all = (contents, more = {}) =>
    Promise.all(
      contents.map((bytes, n) => upload(bytes, { metadata: metadataOf(bucket, `f/${n}`), ...more })),
    )
  await all(files)
  const changed = files.map(() => randomBytes(1000))
  await assert.rejects(all(changed, { retryDelays: null }), /The resource already exists/)
  await all(changed, { headers: { ...headers, 'x-upsert': 'true' } })
  for (const [n, bytes] of changed.entries()) {
    assert.equal(await digest(bucket, `f/${n}`), sha256(bytes))
  }
})

test('a stream whose length is known at its end', async () => {
  const bucket = await newBucket()
  const bytes = randomBytes(chunkSize * 2 + 5)
  await upload(Readable.from([bytes], { objectMode: false }), {
    metadata: metadataOf(bucket, 'stream'),
    uploadLengthDeferred: true,
  })
  assert.equal(await digest(bucket, 'stream'), sha256(bytes))
})

test('as much metadata as this client can read again', async () => {
  const bucket = await newBucket()
  const bytes = randomBytes(chunkSize * 2)
  const metadata = { ...metadataOf(bucket, 'a'), metadata: JSON.stringify({ x: 'y'.repeat(10_000) }) }
  const url = await new Promise((resolve, reject) => {
    const one = new tus.Upload(bytes, {
      endpoint,
      headers,
      chunkSize,
      metadata,
      onError: reject,
      onChunkComplete: () => one.abort().then(() => resolve(one.url), reject),
    })
    one.start()
  })
  await upload(bytes, { uploadUrl: url })
  const { data } = await service.storage.from(bucket).info('a')
  assert.equal(data.metadata.x.length, 10_000)
})

test('a signed URL in place of a token', async () => {
  const bucket = await newBucket()
  const { data } = await service.storage.from(bucket).createSignedUploadUrl('signed')
  const bytes = randomBytes(chunkSize + 1)
  await upload(bytes, {
    endpoint: `${endpoint}/sign`,
    headers: { 'x-signature': data.token },
    metadata: metadataOf(bucket, 'signed'),
  })
  assert.equal(await digest(bucket, 'signed'), sha256(bytes))
})

test('refusals in the words of upstream', async () => {
  const small = await newBucket({ fileSizeLimit: 10 })
  const refused = async (options) => {
    try {
      await upload(randomBytes(11), { retryDelays: null, ...options })
    } catch (error) {
      return [error.originalResponse.getStatus(), error.originalResponse.getBody()]
    }
    throw new Error('it was taken')
  }
  assert.deepEqual(await refused({ metadata: metadataOf(small, 'a') }), [
    413,
    'Maximum size exceeded\n',
  ])
  assert.deepEqual(await refused({ metadata: metadataOf('doesn-exist', 'a') }), [
    404,
    'Bucket not found',
  ])
  assert.deepEqual(
    await refused({
      metadata: metadataOf(small, 'a'),
      endpoint: `${endpoint}/sign`,
      headers: { 'x-signature': 'invalid-token' },
    }),
    [400, 'Invalid Compact JWS'],
  )
  const [status, text] = await refused({
    metadata: metadataOf(small, 'a'),
    parallelUploads: 2,
  })
  assert.equal(status, 501)
  assert.match(text, /^Concatenation extension is not/)
})
