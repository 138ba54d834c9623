"""Room for a backup is asked for before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from gavan.backups.space import Room, estimate, require_room
from gavan.kit.errors import GavanError


def test_the_last_one_and_a_fifth_more_is_the_measure() -> None:
    assert estimate(last=1000, database_bytes=10**9, new_objects=100) == 1320
    assert estimate(last=None, database_bytes=1000, new_objects=0) == 500


@pytest.mark.parametrize(("free", "needed", "is_enough"), [
    (150, 100, True), (149, 100, False), (50, 0, True), (49, 0, False), (1000, 951, False),
])  # fmt: skip
def test_a_twentieth_of_the_disk_stays_free(free: int, needed: int, is_enough: bool) -> None:
    room = Room(free=free, total=1000)
    if is_enough:
        require_room(room, needed, Path("/b"))
        return
    with pytest.raises(GavanError) as caught:
        require_room(room, needed, Path("/b"))
    assert caught.value.code == "GV405"
