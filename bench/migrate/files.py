"""The projects that are migrated: many small files, or one large; every tool gets the same."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("supabase") / "migrations"
SMALL = 1000
MB = 1_000_000
STACK = '[stack]\nname = "bench"\n[database.migrations]\ndir = "supabase/migrations"\n'
# dbmate wants both marks in every file; for the others they are comments.
UP, DOWN = "-- migrate:up\n", "-- migrate:down\n"
TABLE = "create table row_of_bench (id bigint primary key, name text not null, note text);\n"


def small(root: Path, count: int = SMALL) -> Path:
    """Write ``count`` migrations of about a hundred bytes: a table, then columns with comments."""
    folder = _project(root)
    for number in range(count):
        table = f"t{number - number % 5}"
        sql = f"create table {table} (id bigint primary key, name text not null);\n"
        if number % 5:
            column = f"c{number}"
            sql = (
                f"alter table {table} add column {column} text;\n"
                f"comment on column {table}.{column} is 'step; {number}';\n"
            )
        (folder / f"{number:04}_step.sql").write_text(UP + sql + DOWN)
    return root


def large(root: Path, size: int, rows_each: int) -> Path:
    """Write one migration of ``size`` bytes: inserts of ``rows_each`` rows."""
    with (_project(root) / "0000_rows.sql").open("w") as stream:
        written = stream.write(UP + TABLE)
        number = 0
        while written < size:
            rows = ",\n".join(_row(one) for one in range(number, number + rows_each))
            written += stream.write(f"insert into row_of_bench (id, name, note) values {rows};\n")
            number += rows_each
        stream.write(DOWN)
    return root


def _row(number: int) -> str:
    note = f"it''s a; \"note\" with (words), and more of them: {number * 7}"
    return f"({number}, 'name {number}', '{note}')"


def _project(root: Path) -> Path:
    folder = root / FOLDER
    folder.mkdir(parents=True)
    (root / "gavan.toml").write_text(STACK)
    return folder
