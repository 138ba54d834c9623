"""What a statement takes away for good."""

from __future__ import annotations

import pytest

from gavan.database.migration.losses import losses
from gavan.database.migration.split import split


@pytest.mark.parametrize(
    ("sql", "lost"),
    [
        ("drop table a, other.b", ["table a", "table other.b"]),
        ("-- a note\ndrop table a", ["table a"]),
        ("drop table письма", ["table письма"]),
        ("drop schema s cascade", ["schema s"]),
        ("alter table a drop column b, add c int, drop column if exists d",
         ["column a.b", "column a.d"]),
        ("truncate a, public.b", ["all rows of a", "all rows of public.b"]),
        ("delete from a where id = 1", ["rows of a"]),
        ("drop type mood cascade", ["columns of type mood"]),
        ("drop extension vector cascade", ["what uses extension vector"]),
        ("drop owned by x", ["everything that these roles own"]),
        ("drop type mood", []),
        ("drop index a_id", []),
        ("drop view v", []),
        ("drop function f(int)", []),
        ("drop policy p on t", []),
        ("alter table a add column b int", []),
        ("alter table a drop constraint a_pkey", []),
        ("create table a (id int)", []),
        ("-- only a note", []),
    ],
)  # fmt: skip
def test_losses_are_named(sql: str, lost: list[str]) -> None:
    assert losses(split(sql)[0]) == lost
