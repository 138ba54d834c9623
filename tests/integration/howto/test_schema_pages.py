"""The commands of the how-to pages about the schema, run word by word as a newcomer would."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.howto.newcomer import Newcomer, choose_ports, commands

NOTE = "create table note (id bigint primary key);\nalter table note enable row level security;\n"


@pytest.mark.timeout(600)
def test_a_schema_is_changed_and_a_migration_taken_back(
    newcomer: Callable[[str], Newcomer],
) -> None:
    one = newcomer("board")
    one.types("gavan init")
    choose_ports(one.folder)
    one.writes_table("000", "board")
    one.writes_table("010", "card")
    one.writes_table("020", "labels")
    for number in range(3, 7):
        one.writes_table(f"0{number}0", f"later{number}")
    one.types("gavan up")

    # 060, then three more, then all but those up to 020; the last lines take 020 itself.
    one.follows(commands("take-back-a-migration.md"))
    assert "mended" in one.asks("select obj_description('labels'::regclass)")

    adopted = one.folder / "db/migrations/900_adopted.up.sql"
    adopted.parent.mkdir(parents=True)
    adopted.write_text("create table adopted ();")
    # What shall be is what the migrations make, and a table more.
    declared = one.folder / "supabase/schemas"
    declared.mkdir()
    for file in (one.folder / "supabase/migrations").glob("*.sql"):
        (declared / file.name).write_text(file.read_text())
    (declared / "note.sql").write_text(NOTE)
    lines = commands("change-the-schema.md")
    made = lines.index("gavan migrate diff --to supabase/schemas -f labels") + 1
    # This database is no older than its migrations, as the page says of it: it has more than 020.
    fails = {"gavan migrate baseline 020": 5, "gavan migrate diff --to supabase/schemas": 5}
    one.follows([*lines[:made], "gavan migrate up", *lines[made:]], fails)
    assert "adopted" in one.asks("select to_regclass('adopted')::text")
