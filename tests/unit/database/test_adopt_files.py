"""Files of other tools become ours, in place or from another folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from gavan.database.migration.adopt_files import plan_files, write_files
from gavan.database.migration.files import read_migrations
from gavan.kit.errors import GavanError

DBMATE = """-- a note above
-- migrate:up
create table a (id int);

-- migrate:down
drop table a;
"""


def adopt(source: Path, folder: Path) -> dict[str, str]:
    write_files(plan_files(source, folder), folder)
    read_migrations(folder)
    return read(folder)


def read(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_pairs_of_golang_migrate(tmp_path: Path) -> None:
    for number, name in ((1, "init"), (2, "Add-Users"), (10, "more")):
        (tmp_path / f"{number}_{name}.up.sql").write_text(f"create table t{number} (id int);")
        (tmp_path / f"{number}_{name}.down.sql").write_text(f"drop table t{number};")
    (tmp_path / "10_more.down.sql").write_text("-- nothing to do\n")
    wanted = {
        "01_init.sql": "create table t1 (id int);",
        "02_add_users.sql": "create table t2 (id int);",
        "10_more.sql": "create table t10 (id int);",
        "down/01_init.sql": "drop table t1;",
        "down/02_add_users.sql": "drop table t2;",
        "down/10_more.sql": "-- nothing to do\n",
    }
    assert adopt(tmp_path, tmp_path) == wanted
    assert plan_files(tmp_path, tmp_path) == []


def test_versions_that_sort_as_they_count_stay(tmp_path: Path) -> None:
    for version in ("1500360784", "1500445949"):
        (tmp_path / f"{version}_x.up.sql").write_text("select 1;")
    assert list(adopt(tmp_path, tmp_path)) == ["1500360784_x.sql", "1500445949_x.sql"]


def test_two_blocks_of_dbmate(tmp_path: Path) -> None:
    (tmp_path / "20260101000000_a.sql").write_text(DBMATE)
    (tmp_path / "20260102000000_b.sql").write_text(
        "-- migrate:up transaction:false\ncreate index concurrently i on a (id);\n"
        "-- migrate:down transaction:false\ndrop index concurrently i;\n"
    )
    (tmp_path / "20260103000000_c.sql").write_text(
        "-- migrate:up\nselect 1;\n-- migrate:down\nselect 2;\n"
        "-- migrate:up\nselect 3;\n-- migrate:down\nselect 4;\n"
    )
    (tmp_path / "20260104000000_d.sql").write_text("-- migrate:up\nselect 5;\n-- migrate:down\n\n")
    assert adopt(tmp_path, tmp_path) == {
        "20260101000000_a.sql": "-- a note above\ncreate table a (id int);\n",
        "20260102000000_b.sql": (
            "-- gavan: no-transaction\ncreate index concurrently i on a (id);\n"
        ),
        "20260103000000_c.sql": "select 1;\nselect 3;\n",
        "20260104000000_d.sql": "select 5;\n",
        "down/20260101000000_a.sql": "drop table a;\n",
        "down/20260102000000_b.sql": "-- gavan: no-transaction\ndrop index concurrently i;\n",
        "down/20260103000000_c.sql": "select 4;\nselect 2;\n",
    }
    assert plan_files(tmp_path, tmp_path) == []


def test_another_folder_is_left_as_it_is(tmp_path: Path) -> None:
    source, folder = tmp_path / "db", tmp_path / "ours"
    source.mkdir()
    (source / "001-a.sql").write_text(DBMATE)
    (source / "002.sql").write_text("-- migrate:up\nselect 1;\n-- migrate:down\n")
    before = read(source)
    assert list(adopt(source, folder)) == ["001_a.sql", "002_migration.sql", "down/001_a.sql"]
    assert read(source) == before


def test_a_down_file_beside_its_up_file_moves(tmp_path: Path) -> None:
    (tmp_path / "050_g.sql").write_text("create table g (id int);")
    (tmp_path / "050_g.down.sql").write_text("drop table g;")
    with pytest.raises(GavanError) as caught:
        read_migrations(tmp_path)
    assert caught.value.code == "GV304"
    assert "gavan migrate adopt" in (caught.value.hint or "")
    assert list(adopt(tmp_path, tmp_path)) == ["050_g.sql", "down/050_g.sql"]


def test_files_without_a_version_get_one_after_the_others(tmp_path: Path) -> None:
    # D6: the supabase CLI skips both and says that all is well.
    (tmp_path / "20250101000000_init.sql").write_text("select 1;")
    (tmp_path / "add_crm_tasks_and_calls.sql").write_text("select 3;")
    (tmp_path / "add_activity_logs.sql").write_text("select 2;")
    with pytest.raises(GavanError) as caught:
        read_migrations(tmp_path)
    assert caught.value.code == "GV302"
    found = adopt(tmp_path, tmp_path)
    assert list(found.values()) == ["select 1;", "select 2;", "select 3;"]
    names = [name.split("_", 1) for name in found]
    assert [name[1] for name in names] == [
        "init.sql", "add_activity_logs.sql", "add_crm_tasks_and_calls.sql",
    ]  # fmt: skip
    assert all(len(name[0]) == 14 for name in names)


def test_two_files_of_one_name_and_others_in_the_way_stop_it(tmp_path: Path) -> None:
    (tmp_path / "1_a.up.sql").write_text("select 1;")
    (tmp_path / "1_a.sql").write_text("select 2;")
    before = read(tmp_path)
    with pytest.raises(GavanError) as caught:
        plan_files(tmp_path, tmp_path)
    assert caught.value.code == "GV341"
    elsewhere = tmp_path / "db"
    elsewhere.mkdir()
    (elsewhere / "1_a.up.sql").write_text("select 3;")
    with pytest.raises(GavanError) as caught:
        plan_files(elsewhere, tmp_path)
    assert "says something else" in (caught.value.details or "")
    (elsewhere / "1_b.up.sql").write_text("select 3;")
    with pytest.raises(GavanError) as caught:
        plan_files(elsewhere, tmp_path / "ours")
    assert "GV303" in (caught.value.details or "")
    (elsewhere / "1_a.up.sql").unlink()
    (elsewhere / "1_b.up.sql").unlink()
    elsewhere.rmdir()
    assert read(tmp_path) == before
