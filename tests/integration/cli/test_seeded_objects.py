"""Objects that buckets hold from the start: `objects_path`, as `supabase seed buckets` has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli_stack import LiveStack
from tests.integration.cli.conftest import Gavan

ASSETS = {"logo.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>", "texts/a.txt": "first"}
FOLDER = ("--set", "core.storage.buckets.files.objects_path=assets")
LARGE = ("--set", "core.storage.buckets.small.objects_path=assets")


@pytest.fixture
def assets(live: LiveStack) -> Path:
    """A folder beside the stack file."""
    root = live.root / "assets"
    for name, text in ASSETS.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "link").unlink(missing_ok=True)
    (root / "link").symlink_to("/etc/hostname")
    return root


def seed(live: LiveStack, *flags: str, code: int = 0) -> dict[str, Any]:
    answer = live.gavan("seed", *flags, code=code)
    return dict(answer["data"] if answer["error"] is None else answer["error"])


def names(gavan: Gavan) -> list[str]:
    return [str(row["name"]) for row in gavan("ls", "-r", "ss:///files")]


def test_seed_uploads_what_differs_and_leaves_the_rest(
    live: LiveStack, empty: Gavan, assets: Path, tmp_path: Path
) -> None:
    assert seed(live, *FOLDER) == {"ran": [], "objects": 2}
    types = {row["name"]: row["content_type"] for row in empty("ls", "-r", "ss:///files")}
    assert types == {"logo.svg": "image/svg+xml", "texts/a.txt": "text/plain"}
    extra = tmp_path / "extra"
    extra.write_text("of somebody")
    empty("cp", extra, "ss:///files/texts/extra")
    (assets / "texts" / "a.txt").write_text("second")
    assert seed(live, *FOLDER)["objects"] == 1
    empty("cp", "ss:///files/texts/a.txt", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "second"
    assert names(empty) == ["logo.svg", "texts/a.txt", "texts/extra"]
    assert seed(live, *FOLDER)["objects"] == 0


def test_a_single_file_is_an_object_of_its_name(
    live: LiveStack, empty: Gavan, assets: Path
) -> None:
    single = ("--set", "core.storage.buckets.files.objects_path=assets/texts/a.txt")
    assert seed(live, *single)["objects"] == 1
    assert names(empty) == ["a.txt"]
    assert seed(live, *single)["objects"] == 0


def test_a_profile_that_is_not_seeded_is_left_alone(
    live: LiveStack, empty: Gavan, assets: Path
) -> None:
    told = seed(live, *FOLDER, "--set", 'database.seed.profiles=["staging"]')
    assert told["objects"] == 0
    assert names(empty) == []


def test_what_cannot_be_uploaded_is_told(live: LiveStack, empty: Gavan, assets: Path) -> None:
    missing = seed(live, "--set", "core.storage.buckets.files.objects_path=nowhere", code=1)
    assert missing["code"] == "GV247"
    assert "nowhere" in missing["message"]
    refused = seed(live, *LARGE, code=1)  # names and types that this bucket does not take
    assert refused["code"] == "GV248"


def test_up_and_reset_leave_what_the_buckets_shall_hold(
    live: LiveStack, empty: Gavan, assets: Path
) -> None:
    try:
        assert live.up(*FOLDER)["data"]["objects"] == 2
        assert live.up(*FOLDER)["data"]["objects"] == 0
        live.gavan("db", "reset", "--yes", *FOLDER)
        assert names(empty) == sorted(ASSETS)
    finally:
        live.up()
