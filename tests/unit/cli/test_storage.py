"""What of `gavan storage` needs no stack: addresses, sizes, files here, what is the same."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest

from gavan.cli.storage import sync
from gavan.cli.storage.address import Remote, parse, parse_remote, shown
from gavan.cli.storage.client import RemoteFile, refused
from gavan.cli.storage.local import Folder, local_file, mime_of, read, walk
from gavan.cli.storage.meter import bar
from gavan.kit.errors import GavanError
from gavan.kit.size import in_bytes

MD5_OF_HELLO = "5d41402abc4b2a76b9719d911017c592"


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("ss:///", Remote("", "")),
        ("ss:///files", Remote("files", "")),
        ("ss:///files/", Remote("files", "")),
        ("SS:///files/a/b c.txt", Remote("files", "a/b c.txt")),
        ("ss:///files/a%20b?.txt", Remote("files", "a b?.txt")),
        ("ss:///files/a//b/", Remote("files", "a//b/")),
        ("ss:/files/a", Remote("files", "a")),
    ],
)
def test_addresses_are_those_of_the_supabase_cli(text: str, remote: Remote) -> None:
    assert parse(text) == remote


@pytest.mark.parametrize("text", ["a/b", "./ss", "/ss:///x", "s3://bucket/x", "C:/x"])
def test_everything_else_is_a_path(text: str) -> None:
    assert parse(text) == Path(text)


@pytest.mark.parametrize("text", ["ss://bucket/x", "ss:bucket", "ss:////x"])
def test_what_is_nearly_an_address_is_refused(text: str) -> None:
    with pytest.raises(GavanError) as caught:
        parse(text)
    assert caught.value.code == "GV246"


@pytest.mark.parametrize("text", ["files/x", "ss:///files"])
def test_an_object_is_wanted(text: str) -> None:
    with pytest.raises(GavanError) as caught:
        parse_remote(text, needs_path=True)
    assert caught.value.code == "GV246"


def test_an_address_knows_what_lies_below_it() -> None:
    assert str(Remote("b", "x/y").below("z")) == "ss:///b/x/y/z"
    assert Remote("b", "").below("z") == Remote("b", "z")
    assert [Remote("b", path).name for path in ("", "x/y", "x/y/")] == ["b", "y", "y"]


def test_a_name_cannot_steer_the_terminal() -> None:
    assert str(Remote("b", "a\x1b[2Jb\n")) == "ss:///b/a\\x1b[2Jb\\n"
    assert shown("grün \udcff") == "grün \\udcff"
    told = refused(
        httpx.Response(400, json={"message": "Invalid key: a\x1b[2J", "code": "\x1b"}), ""
    )
    assert (told.message, told.details) == ("Invalid key: a\\x1b[2J", "\\x1b, status 400")


def test_sizes_and_bars_are_readable() -> None:
    sizes = [0, 1023, 1024, 1536, 50 * 2**20, 2**40, 2**60]
    assert [in_bytes(size) for size in sizes] == [
        "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "50.0 MiB", "1.0 TiB", "1048576.0 TiB",
    ]  # fmt: skip
    assert (bar(0), bar(1.5)) == (f"[{'.' * 24}]   0%", f"[{'#' * 24}] 100%")
    assert bar(0.5) == f"[{'#' * 12}{'.' * 12}]  50%"


def test_types_follow_the_ending() -> None:
    assert [mime_of(name) for name in ("a.png", "a.tar.gz", "a.unheard-of", "a")] == [
        "image/png", "application/gzip", "application/octet-stream", "application/octet-stream",
    ]  # fmt: skip


def test_a_walk_finds_files_and_passes_links_over(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").touch()
    (tmp_path / "b").write_text("12")
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "b")
    os.mkfifo(tmp_path / "pipe")
    assert [(file.name, file.size) for file in walk(tmp_path)] == [("a/x", 0), ("b", 2)]


def test_a_download_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    with (
        pytest.raises(KeyboardInterrupt),
        Folder(tmp_path).writing("f", overwrite=True) as writing,
    ):
        writing.write(b"half of")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_text() == "old"


def test_a_download_makes_its_folders_and_takes_its_time(tmp_path: Path) -> None:
    with Folder(tmp_path / "new").writing("a/b/c", overwrite=False) as writing:
        writing.write(b"x")
        writing.modified = 1_000_000.5
    facts = (tmp_path / "new" / "a" / "b" / "c").stat()
    assert (facts.st_size, facts.st_mtime) == (1, 1_000_000.5)


@pytest.mark.parametrize("name", ["", "/x", "../x", "a/../x", "a//x", ".", "a/", "a/\0"])
def test_a_name_that_leads_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with (
        pytest.raises(GavanError) as caught,
        Folder(tmp_path / "in").writing(name, overwrite=True) as writing,
    ):
        writing.write(b"x")
    assert caught.value.code == "GV249"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_is_no_file_is_not_written_over(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "f"
    if kind == "link":
        target.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        target.mkdir()
    else:
        os.mkfifo(target)
    with (
        pytest.raises(GavanError) as caught,
        Folder(tmp_path).writing("f", overwrite=True) as writing,
    ):
        writing.write(b"x")
    assert caught.value.code == "GV247"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


async def test_a_file_that_becomes_shorter_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("hello")
    file = local_file(tmp_path / "f")
    (tmp_path / "f").write_text("he")
    with pytest.raises(GavanError) as caught:
        assert [data async for data in read(file, lambda _size: None)] == [b"he"]
    assert caught.value.code == "GV247"


@pytest.mark.parametrize(
    ("etag", "age_s", "is_upload", "is_same"),
    [
        (MD5_OF_HELLO, -60, True, True),
        ("0" * 32, 60, True, False),
        (f"{MD5_OF_HELLO}-2", -60, True, False),  # the file is younger than the object
        (f"{MD5_OF_HELLO}-2", 60, True, True),
        (f"{MD5_OF_HELLO}-2", 60, False, False),
        (f"{MD5_OF_HELLO}-2", -60, False, True),
        (f"{MD5_OF_HELLO}-2", 0, False, True),
    ],
)
def test_one_content_is_the_same_and_else_the_younger_side_wins(
    etag: str, age_s: float, is_upload: bool, is_same: bool, tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("hello")
    local = local_file(tmp_path / "f")
    remote = RemoteFile(name="f", size=5, etag=etag, modified=local.modified + age_s, mime="")
    sides = sync.Sides(here=tmp_path, there=Remote("b", ""), is_upload=is_upload)
    assert sync.is_same(local, remote, sides) is is_same
