// Uploads a file while the core is killed and started again; tells how far it is, line by line.
import { createHash, randomBytes } from 'node:crypto'

import * as tus from 'tus-js-client'

const { SUPABASE_URL, SUPABASE_SERVICE_KEY, BUCKET } = process.env
const chunkSize = 64 * 1024
const bytes = randomBytes(chunkSize * 40)
const pause = () => new Promise((resolve) => setTimeout(resolve, 20))

const upload = new tus.Upload(bytes, {
  endpoint: `${SUPABASE_URL}/storage/v1/upload/resumable`,
  headers: { authorization: `Bearer ${SUPABASE_SERVICE_KEY}` },
  chunkSize,
  retryDelays: Array(100).fill(200),
  metadata: { bucketName: BUCKET, objectName: 'restarted', contentType: 'text/plain' },
  onBeforeRequest: pause,
  onChunkComplete: (_size, accepted) => console.log(`accepted ${accepted}`),
  onError: (error) => {
    console.error(error)
    process.exit(1)
  },
  onSuccess: () => console.log(`done ${createHash('md5').update(bytes).digest('hex')}`),
})
upload.start()
