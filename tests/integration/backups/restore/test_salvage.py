"""What is intact of a damaged backup comes out, and every table says whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest

from gavan.backups.archive import Archive
from gavan.backups.salvage import manifest_of, salvage
from gavan.backups.sealing import Clear
from gavan.kit.errors import GavanError
from tests.conftest import drop_database
from tests.integration.backups.restore.conftest import House
from tests.integration.backups.restore.test_restore import flip

ROWS = "select count(*) from {}"


@pytest.fixture
def beside(house: House) -> Iterator[str]:
    """The name that the salvaged database is to have."""
    name = f"{house.database.name}_salvaged"
    yield name
    if house.run(f"select from pg_database where datname = '{name}'"):
        drop_database(house.database.cluster, name)


def test_a_table_whose_file_is_damaged_is_lost_and_no_other(house: House, beside: str) -> None:
    house.run("create table public.note (id int primary key references card)",
              "insert into note values (1)")  # fmt: skip
    made = house.backup()
    folder = house.repository.folder(made.id)
    archive = Archive(path=folder / "db", opener=Clear())
    number = next(e.id for e in archive.entries() if e.title == "public.card" and e.has_data)
    flip(folder / "db" / f"{number}.dat.gz")
    done = salvage(house.wish(to=beside))
    assert [table.table for table in done.lost] == ["public.card"]
    assert house.run(ROWS.format("note"), database=beside) == [(1,)]
    # The key to a card that is lost cannot be; the index of the table itself is there.
    assert any("note_card_id_fkey" in text or "note_id_fkey" in text for text in done.refused)
    assert house.run("select count(*) from pg_indexes where tablename = 'note'", database=beside)
    assert house.run(ROWS.format("card")) == [(10,)], "the stack's own is untouched"


def test_without_a_manifest_everything_that_loads_comes_out(house: House, beside: str) -> None:
    made = house.backup()
    (house.repository.folder(made.id) / "manifest.json").write_bytes(b'{"manifest"')
    guessed = manifest_of(house.repository, made.id)
    wish = replace(house.wish_for(guessed), to=beside)
    done = salvage(wish)
    assert house.run(ROWS.format("card"), database=beside) == [(10,)]
    assert done.lost == []
    assert [problem.file for problem in done.problems] == [f"{made.id}/manifest.json"]


def test_a_damaged_table_of_contents_is_said_to_be_the_end(house: House, beside: str) -> None:
    made = house.backup()
    flip(house.repository.folder(made.id) / "db/toc.dat")
    with pytest.raises(GavanError) as caught:
        salvage(house.wish(to=beside))
    assert (caught.value.code, caught.value.exit_code) == ("GV446", 5)


def test_of_a_sealed_stream_comes_what_is_before_the_damage(
    house: House, beside: str, tmp_path: Path
) -> None:
    key = pyrage.x25519.Identity.generate()
    identity = tmp_path / "key.txt"
    identity.write_text(str(key))
    house.more = f'[backup.encrypt]\nmethod = "age"\nrecipients = ["{key.to_public()}"]\n'
    house.run("create table public.zoo as select i, md5(i::text) from generate_series(1, 200000) i")
    made = house.backup()
    path = house.repository.folder(made.id) / "db.dump.age"
    damaged_at = path.stat().st_size - 200_000
    content = bytearray(path.read_bytes())
    content[damaged_at] ^= 1
    path.write_bytes(content)
    done = salvage(house.wish(identity=identity, to=beside))
    lost = {table.table for table in done.lost}
    assert "public.zoo" in lost
    assert "public.card" not in lost
    assert house.run(ROWS.format("card"), database=beside) == [(10,)]
    indexes = "select count(*) > 0 from pg_indexes where tablename = 'card'"
    assert house.run(indexes, database=beside) == [(True,)]
