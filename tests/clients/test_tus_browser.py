"""A page of another origin uploads in pieces, in a real browser: its rules are CORS."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.clients.conftest import HERE
from tests.conftest import Database
from tests.live import running_core
from tests.local_http import Heard, Reply, local_server
from tests.stacks.conftest import ARGUMENTS, chromium_binary

SIZE = 300_000
UPLOAD = """
async ([endpoint, key, size]) => {
  const bytes = new Blob([new Uint8Array(size).fill(7)])
  const seen = []
  const url = await new Promise((resolve, reject) => {
    const upload = new tus.Upload(bytes, {
      endpoint,
      chunkSize: 100000,
      headers: { authorization: `Bearer ${key}`, apikey: key, 'x-upsert': 'true' },
      metadata: { bucketName: 'b', objectName: 'page', contentType: 'text/plain' },
      onChunkComplete: (_size, accepted) => seen.push(accepted),
      onError: reject,
      onSuccess: () => resolve(upload.url),
    })
    upload.start()
  })
  const head = await fetch(url, {
    method: 'HEAD', headers: { authorization: `Bearer ${key}`, 'tus-resumable': '1.0.0' },
  })
  return [seen, head.status, head.headers.get('upload-offset')]
}
"""


@pytest.mark.slow
def test_a_page_of_another_origin_uploads_in_pieces(
    node: str, database: Database, tmp_path: Path
) -> None:
    del node  # has installed the client
    script = (HERE / "node_modules/tus-js-client/dist/tus.min.js").read_text()
    page_text = f"<!doctype html><title>page</title><script>{script}</script>"
    with database.connect("supabase_admin") as connection:
        connection.execute("insert into storage.buckets (id, name) values ('b', 'b')")

    def page_of(_heard: Heard) -> Reply:
        return Reply(headers={"content-type": "text/html"}, body=page_text.encode())

    with (
        running_core(database, tmp_path / "core.log") as live,
        local_server(page_of) as origin,
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(executable_path=chromium_binary(), args=ARGUMENTS)
        page = chromium.new_page()
        page.goto(origin.url)
        endpoint = f"{live.url}/storage/v1/upload/resumable"
        seen = page.evaluate(UPLOAD, [endpoint, live.service_key, SIZE])
        chromium.close()
    assert seen == [[100_000, 200_000, 300_000], 200, str(SIZE)]
