"""The processes that touch images: hostile ones end them at worst, and never the core."""

from __future__ import annotations

import asyncio
import io
import os
import random
from collections.abc import AsyncIterator, Callable

import psutil
import pytest
from PIL import Image

from gavan.core.storage.errors import StorageError
from gavan.core.storage.images.frames import MEBIBYTE, MOST_SOURCE
from gavan.core.storage.images.transform import Transform
from gavan.core.storage.images.workers import AT_ONCE, WAITING, Rendered, Source, Workers
from tests.integration.core.storage.images import hostile
from tests.integration.core.storage.images.hostile import encoded, png

SMALL = Transform(width=20, height=10)
UNSUPPORTED = "The source image is invalid or unsupported for rendering"
RESOLUTION = "The source image resolution is too large to process"
PICTURE = encoded(Image.linear_gradient("L").convert("RGB"), "PNG")


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    """Workers as the service has them; nothing of them is left after the test."""
    made = Workers()
    yield made
    await made.close()
    assert children() == []


def children() -> list[psutil.Process]:
    """Return the worker processes that run."""
    return [one for one in psutil.Process().children() if is_worker(one)]


def is_worker(process: psutil.Process) -> bool:
    """Say whether it is a worker that has not ended."""
    try:
        return "gavan.core.storage.images.worker" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def has_ended(process: psutil.Process) -> bool:
    """Say whether a process runs no more, buried or not."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def source(data: bytes) -> Source:
    """Return bytes as they come from a store."""

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 65_536):
            yield data[at : at + 65_536]

    return Source(chunks(), len(data))


async def made_of(workers: Workers, data: bytes, wanted: Transform = SMALL) -> Rendered:
    """Return what is made of an image, as if it had been sent."""
    rendered = await workers.render(source(data), wanted)
    workers.release(rendered)
    return rendered


async def refusal(workers: Workers, data: bytes, wanted: Transform = SMALL) -> StorageError:
    """Return why nothing is made of an image."""
    with pytest.raises(StorageError) as caught:
        await made_of(workers, data, wanted)
    return caught.value


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition; the test's own time limit is the deadline."""
    while not condition():  # noqa: ASYNC110 - other processes set no event
        await asyncio.sleep(0.02)


HOSTILE = {
    "PNG that claims 50,000 x 50,000": (png(50_000, 50_000), RESOLUTION),
    "PNG with a profile of 300 MB": (hostile.profile_bomb(), UNSUPPORTED),
    "PNG with texts of 500 MB": (hostile.text_bomb(), UNSUPPORTED),
    "PNG without its pixels": (png(90, 90), UNSUPPORTED),
    "GIF that claims 65,535 x 65,535": (hostile.gif_claiming(65_535), RESOLUTION),
    "WebP that claims 16,383 x 16,383": (hostile.webp_canvas(), RESOLUTION),
    "BMP that claims 50,000 x 50,000": (hostile.bmp_claiming(50_000), RESOLUTION),
    "JPEG that claims 65,500 x 65,500": (hostile.jpeg_claiming(65_500), RESOLUTION),
    "icon with a PNG of 50,000 x 50,000": (hostile.icon_around(png(50_000, 50_000)), RESOLUTION),
    "JPEG cut in half": (encoded(Image.new("RGB", (900, 900)), "JPEG")[:-500], UNSUPPORTED),
    "TIFF": (encoded(Image.new("RGB", (9, 9)), "TIFF"), UNSUPPORTED),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", UNSUPPORTED),
    "page before a picture": (b"<html><script>alert(1)</script>" + PICTURE, UNSUPPORTED),
    "drawing": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", UNSUPPORTED),
    "text": (b"not an image", UNSUPPORTED),
    "nothing": (b"", UNSUPPORTED),
}


async def test_hostile_images_are_refused_and_the_next_one_is_made(workers: Workers) -> None:
    told = {name: (await refusal(workers, data)).message for name, (data, _) in HOSTILE.items()}

    assert told == {name: message for name, (_, message) in HOSTILE.items()}
    assert (await made_of(workers, PICTURE)).mime == "image/png"
    [worker] = children()
    assert worker.memory_info().rss < 100 * MEBIBYTE


async def test_a_file_behind_a_picture_is_not_part_of_what_is_made(workers: Workers) -> None:
    rendered = await made_of(workers, PICTURE + b"<html><script>alert(1)</script>")

    assert b"script" not in rendered.data


async def test_of_a_hundred_large_frames_one_is_read(workers: Workers) -> None:
    rendered = await made_of(workers, hostile.gif_with_frames(100, 1500))

    assert Image.open(io.BytesIO(rendered.data)).size == (20, 10)


async def test_a_loop_in_the_metadata_ends(workers: Workers) -> None:
    assert (await made_of(workers, hostile.exif_loop())).mime == "image/jpeg"


async def test_bytes_changed_at_random_never_end_the_core(workers: Workers) -> None:
    chance = random.Random(5)
    noise = Image.effect_noise((48, 48), 50).convert("RGB")
    seeds = [encoded(noise, kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF", "ICO")]
    answers = {"made": 0, UNSUPPORTED: 0, RESOLUTION: 0}

    for _ in range(700):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 20)):
            data[chance.randrange(min(len(data), chance.choice((64, 4000))))] = chance.randrange(
                256
            )
        try:
            await made_of(workers, bytes(data), Transform(width=20, format="webp"))
            answers["made"] += 1
        except StorageError as error:
            answers[error.message] += 1

    assert answers["made"] > 20
    assert answers[UNSUPPORTED] > 100
    assert (await made_of(workers, PICTURE)).mime == "image/png"


async def test_fifty_megapixels_fit_and_one_row_more_does_not(workers: Workers) -> None:
    fits = png(7_000, 7_142, pixels=bytes(7_142 * 21_001))
    over = png(7_000, 7_143, pixels=bytes(7_143 * 21_001))

    assert (await made_of(workers, fits)).mime == "image/png"
    assert (await refusal(workers, over)).message == RESOLUTION


async def test_a_source_over_its_limit_is_refused_before_a_byte_is_read(workers: Workers) -> None:
    read: list[bytes] = []

    async def chunks() -> AsyncIterator[bytes]:
        read.append(PICTURE)
        yield PICTURE

    with pytest.raises(StorageError, match="file is too large"):
        await workers.render(Source(chunks(), MOST_SOURCE + 1), SMALL)

    assert (read, children()) == ([], [])


async def test_an_image_that_takes_too_long_is_given_up_and_its_worker_with_it() -> None:
    workers = Workers(image_s=2)
    await made_of(workers, PICTURE)
    [first] = children()

    error = await refusal(workers, hostile.jpeg_with_scans(6000, 300))

    assert (error.status, error.message) == (408, "Image request timed out")
    assert not first.is_running()
    await made_of(workers, PICTURE)
    await workers.close()


async def test_an_image_that_computes_too_long_ends_by_the_kernel(workers: Workers) -> None:
    task = asyncio.create_task(refusal(workers, hostile.jpeg_with_scans(6000, 300)))
    await until(children)
    [worker] = children()
    await until(lambda: sum(worker.cpu_times()[:2]) > 0.5)
    soft, hard = worker.rlimit(psutil.RLIMIT_CPU)
    assert 10 <= soft <= 11

    worker.rlimit(psutil.RLIMIT_CPU, (1, hard))

    assert ((await task).status, worker.is_running()) == (408, False)
    assert (await made_of(workers, PICTURE)).mime == "image/png"


async def test_a_worker_that_dies_takes_one_image_with_it(workers: Workers) -> None:
    begun = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        begun.set()
        yield PICTURE[:10]
        await asyncio.Event().wait()

    doomed = asyncio.create_task(workers.render(Source(chunks(), len(PICTURE)), SMALL))
    await begun.wait()
    [worker] = children()
    worker.kill()
    doomed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doomed

    assert (await made_of(workers, PICTURE)).mime == "image/png"
    assert [one.pid for one in children()] != [worker.pid]


async def test_a_worker_that_died_while_it_rested_is_not_asked(workers: Workers) -> None:
    await made_of(workers, PICTURE)
    [worker] = children()
    worker.kill()
    while not has_ended(worker):  # without a turn of the loop, so that nobody is told
        pass

    assert (await made_of(workers, PICTURE)).mime == "image/png"


async def test_who_leaves_ends_the_work_for_him(workers: Workers) -> None:
    task = asyncio.create_task(made_of(workers, hostile.jpeg_with_scans(6000, 300)))
    await until(children)
    await until(lambda: sum(children()[0].cpu_times()[:2]) > 0.3)
    [worker] = children()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not worker.is_running()


async def test_what_the_store_fails_with_goes_through(workers: Workers) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield PICTURE[:10]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        await workers.render(Source(broken(), len(PICTURE)), SMALL)

    assert (await made_of(workers, PICTURE)).mime == "image/png"


async def test_more_than_may_wait_are_turned_away(workers: Workers) -> None:
    held = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        await held.wait()
        yield PICTURE

    asked = [
        asyncio.create_task(workers.render(Source(slow(), len(PICTURE)), SMALL))
        for _ in range(AT_ONCE + WAITING)
    ]
    await asyncio.sleep(0)

    error = await refusal(workers, PICTURE)

    assert (error.status, error.code, error.http_status) == (429, "SlowDown", 429)
    held.set()
    for rendered in await asyncio.gather(*asked):
        workers.release(rendered)
    assert len(children()) == AT_ONCE
    await made_of(workers, PICTURE)


async def test_results_that_nobody_takes_keep_new_ones_from_being_made(workers: Workers) -> None:
    rendered = await made_of(workers, PICTURE)
    await workers.close()
    bounded = Workers(held_bytes=2 * len(rendered.data))
    held = [await bounded.render(source(PICTURE), SMALL) for _ in range(3)]

    assert (await refusal(bounded, PICTURE)).status == 429

    bounded.release(held.pop())
    assert (await made_of(bounded, PICTURE)).mime == "image/png"
    await bounded.close()


async def test_workers_go_when_there_is_nothing_to_do() -> None:
    workers = Workers(idle_s=1)
    assert children() == []
    await made_of(workers, PICTURE)
    assert len(children()) == 1

    await until(lambda: children() == [])

    await made_of(workers, PICTURE)
    await workers.close()
    assert children() == []


async def test_a_worker_is_told_no_secret_and_can_open_nothing(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET", "not for decoders")
    await made_of(workers, PICTURE)
    [worker] = children()

    assert "not for decoders" not in str(worker.environ())
    assert "not for decoders" not in str(worker.cmdline())
    assert worker.rlimit(psutil.RLIMIT_NOFILE) == (0, 0)
    assert worker.rlimit(psutil.RLIMIT_NPROC) == (0, 0)
    assert worker.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert worker.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert worker.rlimit(psutil.RLIMIT_AS) == (1024 * MEBIBYTE, 1024 * MEBIBYTE)
    assert worker.rlimit(psutil.RLIMIT_CPU)[0] <= 20
    assert worker.nice() > os.nice(0)
