"""`gavan storage` as a person types it, against a running stack."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
import pytest

from tests.cli_stack import LiveStack
from tests.integration.cli.conftest import Gavan
from tests.integration.cli.cutting import cut_road
from tests.servers import wait_until

LARGE = 9 * 1024 * 1024
KEYS = ("STORAGE_S3_URL", "S3_PROTOCOL_ACCESS_KEY_ID", "S3_PROTOCOL_ACCESS_KEY_SECRET")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with files, one of them deep, and a link that leads out of it."""
    root = tmp_path / "docs"
    (root / "a" / "b").mkdir(parents=True)
    (root / "read me.md").write_text("# hello\n")
    (root / "a" / "one.txt").write_text("one")
    (root / "a" / "b" / "two.json").write_text("{}")
    (root / "empty").touch()
    (root / "link").symlink_to("/etc/hostname")
    return root


NAMES = ["a/b/two.json", "a/one.txt", "empty", "read me.md"]


def names(gavan: Gavan, address: str) -> list[str]:
    return [str(row["name"]) for row in gavan("ls", "-r", address)]


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def facts(gavan: Gavan, address: str) -> dict[str, Any]:
    return dict(gavan("ls", "-r", address)[0])


def rename(live: LiveStack, name: str, to: str) -> None:
    """Give an object a name that no upload would take."""
    with psycopg.connect(live.url()) as connection:
        connection.execute("update storage.objects set name = %s where name = %s", (to, name))


def test_declared_buckets_are_there_and_counted(empty: Gavan, tree: Path) -> None:
    empty("cp", "-r", tree, "ss:///files/docs")
    assert empty("ls") == [{"name": "files/"}, {"name": "small/"}]
    assert empty("ls", "ss:///fi") == [{"name": "files/"}]
    small: dict[str, Any]
    held, small = empty("buckets")
    assert (held["objects"], held["bytes"], held["declared"]) == (4, 13, True)
    assert (small["file_size_limit"], small["allowed_mime_types"]) == (1024, ["text/*"])


def test_a_file_goes_up_and_comes_back(empty: Gavan, tree: Path, tmp_path: Path) -> None:
    source = tree / "read me.md"
    empty("cp", source, "ss:///files/x/read me.md")
    empty("cp", source, "ss:///files/x/", "--cache-control", "max-age=5", code=1)
    found = facts(empty, "ss:///files/x/")
    assert (found["name"], found["bytes"], found["content_type"]) == (
        "x/read me.md", 8, "text/markdown",
    )  # fmt: skip
    target = tmp_path / "back.md"
    empty("cp", "ss:///files/x/read%20me.md", target)
    assert target.read_bytes() == source.read_bytes()
    assert empty("cp", "ss:///files/x/read me.md", target, code=1)["code"] == "GV247"
    source.write_text("changed")
    empty("cp", source, "ss:///files/x/", "--overwrite", "--content-type", "text/plain")
    empty("cp", "ss:///files/x/read me.md", target, "--overwrite")
    assert target.read_text() == "changed"


def test_a_folder_goes_up_and_comes_back(empty: Gavan, tree: Path, tmp_path: Path) -> None:
    empty("cp", "-r", tree, "ss:///files/up", "-j", "2")
    assert names(empty, "ss:///files/") == [f"up/{name}" for name in NAMES]
    empty("cp", "-r", tree, "ss:///files/up/")
    assert len(names(empty, "ss:///files/up/docs/")) == 4, "a folder that is there keeps the name"
    (tmp_path / "into").mkdir()
    empty("cp", "-r", "ss:///files/up/docs", tmp_path / "into")
    assert files(tmp_path / "into" / "docs") == files(tree)
    empty("cp", "-r", "ss:///files/up/docs", tmp_path / "new")
    assert files(tmp_path / "new") == files(tree)
    assert empty("cp", "-r", "ss:///files/nothing", tmp_path, code=1)["code"] == "GV245"


def test_a_level_is_listed_with_its_folders(empty: Gavan, tree: Path) -> None:
    empty("cp", "-r", tree, "ss:///files")
    listed = [row["name"] for row in empty("ls", "ss:///files/docs/")]
    assert sorted(listed) == ["docs/a/", "docs/empty", "docs/read me.md"]
    assert [row["name"] for row in empty("ls", "ss:///files/docs/a")] == ["docs/a/"]
    assert empty("ls", "ss:///files/none/") == []


def test_a_large_file_is_uploaded_and_downloaded(
    live: LiveStack, empty: Gavan, tmp_path: Path
) -> None:
    source, target = tmp_path / "large.bin", tmp_path / "back.bin"
    source.write_bytes(os.urandom(LARGE))
    for cache in ("max-age=7", "public, max-age=7"):
        empty("cp", source, "ss:///files/", "--overwrite", "--cache-control", cache)
        empty("cp", "ss:///files/large.bin", target, "--overwrite")
        assert target.read_bytes() == source.read_bytes()
        with psycopg.connect(live.url()) as connection:
            query = "select metadata ->> 'cacheControl' from storage.objects"
            assert connection.execute(query).fetchone() == (cache,)
    assert facts(empty, "ss:///files/large.bin")["content_type"] == "application/octet-stream"


def test_an_upload_goes_on_where_its_connection_broke(
    live: LiveStack, empty: Gavan, tmp_path: Path
) -> None:
    source, target = tmp_path / "large.bin", tmp_path / "back.bin"
    source.write_bytes(os.urandom(LARGE))
    with cut_road(live.ports[1], after=LARGE * 2 // 3) as road:
        empty("cp", source, "ss:///files/", "--set", f"core.port={road.port}")
    assert road.cuts == 1
    assert road.carried < LARGE * 8 // 5, "it did not begin anew"
    empty("cp", "ss:///files/large.bin", target)
    assert target.read_bytes() == source.read_bytes()


def test_a_download_whose_connection_breaks_leaves_nothing(
    live: LiveStack, empty: Gavan, tmp_path: Path
) -> None:
    source, target = tmp_path / "large.bin", tmp_path / "target"
    source.write_bytes(os.urandom(LARGE))
    target.mkdir()
    empty("cp", source, "ss:///files/")
    with cut_road(live.ports[1], after=LARGE // 2, way="down") as road:
        error = empty(
            "cp", "ss:///files/large.bin", target, "--set", f"core.port={road.port}", code=3
        )
    assert (error["code"], road.cuts, list(target.iterdir())) == ("GV240", 1, [])


def test_objects_are_copied_and_moved_inside(empty: Gavan, tree: Path) -> None:
    empty("cp", "-r", tree, "ss:///files/d")
    empty("cp", "ss:///files/d/a/one.txt", "ss:///small/notes/one.txt", "--overwrite")
    empty("mv", "ss:///files/d/empty", "ss:///files/e/")
    empty("mv", "-r", "ss:///files/d/a", "ss:///files/moved")
    assert names(empty, "ss:///files/") == [
        "d/read me.md", "e/empty", "moved/b/two.json", "moved/one.txt",
    ]  # fmt: skip
    assert names(empty, "ss:///small/") == ["notes/one.txt"]
    assert empty("mv", "-r", "ss:///files/e", "ss:///files/e/f", code=2)["code"] == "GV246"
    assert empty("mv", "ss:///files/gone", "ss:///files/x", code=1)["code"] == "GV245"


def test_what_the_bucket_refuses_is_told_with_what_mends_it(empty: Gavan, tree: Path) -> None:
    (tree / "large.txt").write_text("x" * 2000)
    refused = {
        "ss:///small/notes/large.txt": (tree / "large.txt", "maximum allowed size"),
        "ss:///small/notes/x.json": (tree / "a/b/two.json", "is not supported"),
        "ss:///nowhere/x": (tree / "empty", "Bucket not found"),
        "ss:///files/schön": (tree / "empty", "Invalid key"),
    }
    for address, (source, words) in refused.items():
        error = empty("cp", source, address, code=1)
        assert error["code"] == "GV245"
        assert words in error["message"]
        assert error["mend"]


def test_one_refused_file_stops_no_other(empty: Gavan, tree: Path) -> None:
    (tree / "grün.txt").touch()
    error = empty("cp", "-r", tree, "ss:///files/x", code=1)
    assert (error["code"], error["message"]) == ("GV248", "1 of 5 copies failed")
    assert names(empty, "ss:///files/x/") == [f"x/{name}" for name in NAMES]


def test_removing_asks_and_tells_what_was_not_there(empty: Gavan, tree: Path) -> None:
    empty("cp", "-r", tree, "ss:///files/d")
    assert empty("rm", "ss:///files/d", code=1)["removed"] == 0
    assert empty("rm", "ss:///files/d/", code=2)["code"] == "GV246"
    assert empty("rm", "ss:///files/d/empty", code=6, yes=False)["code"] == "GV004"
    done = empty("rm", "ss:///files/d/empty", "ss:///files/d/none", code=1)
    assert (done["removed"], done["missing"]) == (1, ["ss:///files/d/none"])
    assert empty("rm", "-r", "ss:///files/d/a", "ss:///files/d/a/one.txt")["removed"] == 2
    assert names(empty, "ss:///files/") == ["d/read me.md"]


def test_a_whole_bucket_goes_unless_the_stack_file_has_it(live: LiveStack, empty: Gavan) -> None:
    with psycopg.connect(live.url()) as connection:
        connection.execute("insert into storage.buckets (id, name) values ('old', 'old')")
    assert [b["declared"] for b in empty("buckets") if b["id"] == "old"] == [False]
    assert empty("rm", "-r", "ss:///old", "ss:///files")["buckets"] == ["old"]
    assert [row["name"] for row in empty("ls")] == ["files/", "small/"]


def test_a_protected_profile_asks_for_the_name_of_the_stack(empty: Gavan, tree: Path) -> None:
    empty("cp", tree / "empty", "ss:///files/")
    remove = ("rm", "ss:///files/empty", "-p", "real")
    error = empty(*remove, code=6)
    assert (error["code"], "--confirm faults" in error["mend"]) == ("GV004", True)
    assert empty(*remove, "--confirm", "other", code=6)["code"] == "GV004"
    assert empty(*remove, "--confirm", "faults", code=6, yes=False)["code"] == "GV004"
    assert empty(*remove, "--confirm", "faults")["removed"] == 1


def test_a_sync_copies_what_differs_and_removes_what_is_gone(
    empty: Gavan, tree: Path, tmp_path: Path
) -> None:
    up = ("sync", tree, "ss:///files/d")
    planned = empty(*up, "--dry-run")
    assert (len(planned["copied"]), names(empty, "ss:///files/")) == (4, [])
    assert len(empty(*up)["copied"]) == 4
    assert empty(*up) == {"copied": [], "deleted": [], "same": 4, "bytes": 0}
    (tree / "a" / "one.txt").write_text("two")  # of the same size
    (tree / "empty").unlink()
    done = empty(*up)
    assert [one["target"] for one in done["copied"]] == ["ss:///files/d/a/one.txt"]
    assert empty(*up, "--delete", code=6, yes=False)["code"] == "GV004"
    assert empty(*up, "--delete")["deleted"] == ["empty"]
    down = tmp_path / "down"
    down.mkdir()
    (down / "extra").touch()
    assert len(empty("sync", "ss:///files/d", down)["copied"]) == 3
    assert (down / "extra").exists()
    assert empty("sync", "ss:///files/d/", down, "--delete")["deleted"] == ["extra"]
    assert files(down) == files(tree)
    assert empty("sync", tree, down, code=2)["code"] == "GV246"


def test_a_sync_of_nothing_removes_nothing(empty: Gavan, tree: Path) -> None:
    before = files(tree)
    for address in ("ss:///files/nothing", "ss:///nowhere"):
        assert empty("sync", address, tree, "--delete", code=1)["code"] == "GV245"
    assert files(tree) == before


def test_a_file_whose_name_is_no_text_stops_no_other(empty: Gavan, tree: Path) -> None:
    (tree / os.fsdecode(b"caf\xe9")).touch()
    assert empty("sync", tree, "ss:///files/d", code=1)["message"] == "1 of 5 copies failed"
    assert len(names(empty, "ss:///files/d/")) == 4


@pytest.mark.parametrize("name", ["d/../../../out", "/d/out", "d//out", "d/./out", "../out"])
def test_no_name_of_an_object_leads_out_of_the_folder(
    name: str, live: LiveStack, empty: Gavan, tmp_path: Path
) -> None:
    (tmp_path / "ok").write_text("ok")
    for target_name in ("d/ok", "d/other"):
        empty("cp", tmp_path / "ok", f"ss:///files/{target_name}")
    rename(live, "d/other", name)
    target = tmp_path / "x" / "y"
    error = empty("sync", "ss:///files", target, code=1)
    assert error["code"] in ("GV248", "GV249")
    assert files(tmp_path) == {"ok": b"ok", "x/y/d/ok": b"ok"}


def test_a_link_in_the_target_is_not_followed(empty: Gavan, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("new")
    empty("cp", tmp_path / "f", "ss:///files/d/a/f")
    empty("cp", tmp_path / "f", "ss:///files/d/g")
    outside, target = tmp_path / "outside", tmp_path / "target"
    outside.mkdir()
    target.mkdir()
    (outside / "g").write_text("old")
    (target / "a").symlink_to(outside)
    (target / "g").symlink_to(outside / "g")
    error = empty("sync", "ss:///files/d", target, code=1)
    assert error["code"] == "GV248"
    assert files(outside) == {"g": b"old"}


def test_an_interrupted_copy_leaves_no_half_file(
    live: LiveStack, empty: Gavan, tmp_path: Path
) -> None:
    source, target = tmp_path / "large.bin", tmp_path / "target"
    source.write_bytes(os.urandom(40 * 1024 * 1024))
    target.mkdir()
    empty("cp", source, "ss:///files/")
    process = subprocess.Popen(
        [sys.executable, "-m", "gavan", "storage", "cp", "ss:///files/large.bin", str(target)],
        cwd=live.root, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_until(lambda: any(target.iterdir()) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    left = list(target.iterdir())
    if process.returncode == 0:  # it was faster than the signal
        assert [path.read_bytes() == source.read_bytes() for path in left] == [True]
    else:
        assert (process.returncode, left) == (130, []), err


def test_the_keys_of_s3_clients_are_told_as_the_supabase_cli_does(live: LiveStack) -> None:
    told = live.gavan("status", "-o", "env")["data"]
    assert told["STORAGE_S3_URL"] == f"http://127.0.0.1:{live.ports[1]}/storage/v1/s3"
    assert told["S3_PROTOCOL_REGION"] == "local"
    assert [len(told[name]) for name in KEYS[1:]] == [32, 64]
    log = live.start("logs", "-n", "100000").communicate(timeout=60)[0]
    assert not [name for name in KEYS[1:] if told[name] in log]


def test_an_s3_client_comes_in_with_these_keys(live: LiveStack, empty: Gavan, tree: Path) -> None:
    empty("cp", "-r", tree, "ss:///files/d")
    told = live.gavan("status", "-o", "env")["data"]
    client = boto3.client(
        "s3",
        endpoint_url=told["STORAGE_S3_URL"],
        region_name=told["S3_PROTOCOL_REGION"],
        aws_access_key_id=told["S3_PROTOCOL_ACCESS_KEY_ID"],
        aws_secret_access_key=told["S3_PROTOCOL_ACCESS_KEY_SECRET"],
    )
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["files", "small"]
    client.put_object(Bucket="files", Key="d/by s3", Body=b"12")
    assert names(empty, "ss:///files/") == sorted(f"d/{name}" for name in [*NAMES, "by s3"])


def test_a_stack_that_does_not_run_is_told(tmp_path: Path, live: LiveStack, empty: Gavan) -> None:
    del empty
    other = LiveStack(tmp_path / "other")
    error = other.gavan("storage", "ls", code=3)["error"]
    assert error["code"] == "GV240"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{other.ports[1]}/health")


def test_a_reset_takes_the_objects_too_and_brings_the_buckets_back(
    live: LiveStack, empty: Gavan, tree: Path
) -> None:
    empty("cp", "-r", tree, "ss:///files/d")
    folder = live.root / ".gavan" / "storage"
    assert [path for path in folder.rglob("*") if path.is_file()]
    live.gavan("db", "reset", "--yes")
    assert [row["name"] for row in empty("ls")] == ["files/", "small/"]
    assert not [path for path in folder.rglob("*") if path.is_file()]
    empty("cp", tree / "read me.md", "ss:///files/")
    assert names(empty, "ss:///files/") == ["read me.md"]


def test_a_sweep_removes_what_no_row_names_and_nothing_else(
    live: LiveStack, empty: Gavan, tree: Path, tmp_path: Path
) -> None:
    empty("cp", "-r", tree, "ss:///files/d")
    version = "0a0a0a0a-0000-4000-8000-000000000000"
    orphan = live.root / ".gavan" / "storage" / version[:2] / version
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_text("nobody's")
    assert empty("sweep")["orphans"] == {"count": 0, "bytes": 0}, "it is too young"
    now = ("--older-than", "0s")
    looked = empty("sweep", *now)
    assert (looked["orphans"], looked["deleted"]) == ({"count": 1, "bytes": 8}, False)
    assert empty("sweep", "--delete", *now, code=6, yes=False)["code"] == "GV004"
    assert empty("sweep", "--delete", *now, "-p", "real", code=6)["code"] == "GV004"
    assert orphan.exists()
    assert empty("sweep", "--delete", *now)["deleted"] is True
    assert not orphan.exists()
    assert empty("sweep", *now)["blobs"] == 4
    empty("cp", "-r", "ss:///files/d", tmp_path / "back")
    assert files(tmp_path / "back") == files(tree)


def test_a_sweep_tells_rows_whose_bytes_are_gone(live: LiveStack, empty: Gavan, tree: Path) -> None:
    empty("cp", tree / "empty", "ss:///files/kept")
    for blob in (live.root / ".gavan" / "storage").rglob("????????-????-*"):
        blob.unlink()
    gone = empty("sweep", "--older-than", "0s")["missing"]
    assert gone == {"count": 1, "names": ["files/kept"]}
