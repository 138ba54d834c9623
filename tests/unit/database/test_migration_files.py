"""Names and order of migration files."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gavan.database.migration.files import new_migration, read_migrations
from gavan.database.migration.history import Applied
from gavan.database.migration.plan import State, compare, pending
from gavan.kit.errors import GavanError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def write(folder: Path, *names: str, text: str = "select 1;") -> None:
    for name in names:
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["add_crm_tasks_and_calls.sql"], "GV302"),
        (["000_a.sql", "000_b.sql"], "GV303"),
        (["050_g.sql", "050_g.down.sql"], "GV304"),
        (["050_g.SQL"], "GV305"),
        (["050_g.sql", "050_G.sql"], "GV305"),
        (["050 g.sql"], "GV306"),
        (["9_z.sql", "030_a.sql"], "GV301"),
        (["01_a.sql", "1_b.sql"], "GV303"),
        (["1_a\nb.sql"], "GV306"),
        (["1_\x1b[31mred.sql"], "GV306"),
        (["1_\udcff.sql"], "GV306"),
        # Both majors of the supabase CLI leave it out, and then miss it in their own history.
        (["00000000000000_init.sql", "20240101000000_a.sql"], "GV344"),
    ],
)
def test_a_bad_name_is_refused_before_anything_is_applied(
    tmp_path: Path, names: list[str], code: str
) -> None:
    write(tmp_path, *names)
    with pytest.raises(GavanError) as caught:
        read_migrations(tmp_path)
    assert caught.value.code == code
    assert caught.value.hint
    shown = f"{caught.value}{caught.value.details or ''}{caught.value.where}"
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("head", "what"),
    [
        ("-- gavan: no-transation", "no-transation"),
        ("-- gavan: phase=contrakt", "phase=contrakt"),
        ("-- gavan: lock_timeout=soon", "lock_timeout=soon"),
        ("-- gavan: no-transaction, phase=expand", "no-transaction,"),
        ('-- gavan: irreversible="rows are gone" really', "really"),
    ],
)
def test_a_word_of_the_first_line_that_means_nothing_is_refused(
    tmp_path: Path, head: str, what: str
) -> None:
    write(tmp_path, "000_a.sql", text=f"{head}\nselect 1;")
    with pytest.raises(GavanError) as caught:
        read_migrations(tmp_path)
    assert caught.value.code == "GV336"
    assert caught.value.message.endswith(f": {what}")
    assert caught.value.hint


def test_the_first_line_says_how_a_file_is_run(tmp_path: Path) -> None:
    head = (
        '-- gavan: irreversible="no way back" allow=GV353(ten rows) no-transaction phase=contract'
        " lock_timeout=30s requires=ext:citext,pg_trgm requires=ext:vector"
    )
    write(tmp_path, "000_a.sql", text=f"{head}\nselect 1;")
    write(tmp_path, "010_b.sql", text="-- gavan is a word like any other\nselect 1;")
    first, second = read_migrations(tmp_path)
    assert (first.phase, first.lock_timeout) == ("contract", "30s")
    assert first.requires == ["citext", "pg_trgm", "vector"]
    assert (second.phase, second.lock_timeout, second.requires) == ("expand", None, [])


@pytest.mark.parametrize(
    "names",
    [
        ["20240101000000_init.sql"],
        ["000_init.sql"],
        ["00000000000000_a.sql", "00000000000001_init.sql"],
    ],
)
def test_a_first_file_of_that_name_is_none_the_less_one_of_today(
    tmp_path: Path, names: list[str]
) -> None:
    write(tmp_path, *names)
    assert [file.path.name for file in read_migrations(tmp_path)] == names


def test_what_is_there_and_cannot_be_read_is_not_left_out(tmp_path: Path) -> None:
    write(tmp_path, "1_a.sql")
    (tmp_path / "2_b.sql").symlink_to(tmp_path / "gone.sql")
    os.mkfifo(tmp_path / "3_c.sql")
    (tmp_path / "4_folder.sql").mkdir()
    with pytest.raises(GavanError) as caught:
        read_migrations(tmp_path)
    assert caught.value.code == "GV306"
    assert "2_b.sql is a link to what is not there" in caught.value.message
    assert "3_c.sql: GV306 is no file" in (caught.value.details or "")


def test_a_link_to_a_file_elsewhere_is_a_migration(tmp_path: Path) -> None:
    write(tmp_path, "shared.txt", text="create table t ();")
    (tmp_path / "1_a.sql").symlink_to(tmp_path / "shared.txt")
    assert [file.text for file in read_migrations(tmp_path)] == ["create table t ();"]


def test_a_byte_order_mark_is_no_text_and_line_ends_stay(tmp_path: Path) -> None:
    (tmp_path / "000_a.sql").write_bytes(b"\xef\xbb\xbfselect 1;\r\n")
    assert read_migrations(tmp_path)[0].text == "select 1;\r\n"


@pytest.mark.parametrize(("data", "place"), [(b"a\nbc\xe9", "2:3"), (b"\0", "1:1")])
def test_bytes_that_no_text_has_are_named_with_their_place(
    tmp_path: Path, data: bytes, place: str
) -> None:
    (tmp_path / "000_a.sql").write_bytes(data)
    with pytest.raises(GavanError) as caught:
        read_migrations(tmp_path)
    assert caught.value.code == "GV306"
    assert caught.value.where == f"{tmp_path / '000_a.sql'}:{place}"


def test_down_folder_and_other_files_are_no_migrations(tmp_path: Path) -> None:
    (tmp_path / "down").mkdir()
    write(tmp_path / "down", "000_a.sql")
    write(tmp_path, "000_a.sql", "README.md")
    assert [file.version for file in read_migrations(tmp_path)] == ["000"]


def test_new_follows_the_style_found(tmp_path: Path) -> None:
    assert new_migration(tmp_path, "Init!", now=NOW).name == "20260102030405_init.sql"
    assert new_migration(tmp_path, "again", now=NOW).name == "20260102030406_again.sql"
    numbered = tmp_path / "numbered"
    numbered.mkdir()
    write(numbered, "000_init.sql", "015_fix.sql")
    assert new_migration(numbered, "next one", now=NOW).name == "020_next_one.sql"


def test_a_name_in_russian_is_kept(tmp_path: Path) -> None:
    assert new_migration(tmp_path, "Новая доска", now=NOW).name == "20260102030405_новая_доска.sql"


def test_verdicts_on_files_and_history(tmp_path: Path) -> None:
    write(tmp_path, "000_a.sql", "010_b.sql", "015_c.sql", "040_e.sql")
    history = [
        Applied(version="000", name="a", statements=["select 1"]),
        Applied(version="010", name="b", statements=["select 2"]),
        Applied(version="020", name="d", statements=None),
    ]
    entries = compare(read_migrations(tmp_path), history)
    assert [(entry.version, entry.state) for entry in entries] == [
        ("000", State.APPLIED),
        ("010", State.CHANGED),
        ("015", State.OUT_OF_ORDER),
        ("020", State.MISSING),
        ("040", State.PENDING),
    ]
    with pytest.raises(GavanError) as caught:
        pending(entries, order="strict")
    assert caught.value.code == "GV308"
    assert caught.value.exit_code == 5


def test_out_of_order_is_applied_only_on_request(tmp_path: Path) -> None:
    write(tmp_path, "000_a.sql", "015_c.sql", "020_d.sql")
    history = [Applied(version=version, name="", statements=None) for version in ("000", "020")]
    entries = compare(read_migrations(tmp_path), history)
    with pytest.raises(GavanError, match="015_c is older"):
        pending(entries, order="strict")
    assert [file.version for file in pending(entries, order="include-all")] == ["015"]


def test_reformatting_is_no_change(tmp_path: Path) -> None:
    write(tmp_path, "000_a.sql", text="-- new comment\nselect   1;\n")
    entries = compare(
        read_migrations(tmp_path), [Applied(version="000", name="a", statements=["select 1"])]
    )
    assert entries[0].state is State.REFORMATTED
