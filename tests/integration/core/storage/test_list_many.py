"""A hundred thousand objects, or folders, under one prefix: few rows are read for a page.

What a function reads is counted by Postgres itself, for this transaction; no clock is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.conftest import Cluster, cloning

MANY = 100_000
READ = """
select coalesce(sum(coalesce(pg_stat_get_xact_tuples_returned(oid), 0)
    + coalesce(pg_stat_get_xact_tuples_fetched(oid), 0)), 0)::bigint
from pg_class where oid = 'storage.objects'::regclass
    or oid in (select indexrelid from pg_index where indrelid = 'storage.objects'::regclass)
"""
Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture(scope="module")
def filled(cluster: Cluster) -> Iterator[Connection]:
    with cloning(cluster) as clone, clone().connect("supabase_admin") as connection:
        connection.execute(
            "insert into storage.buckets (id, name) select name, name"
            " from unnest('{flat,folders,deep}'::text[]) as given (name)"
        )
        connection.execute(
            "insert into storage.objects (bucket_id, name, owner_id)"
            " select bucket, 'Pre/' || case bucket"
            "   when 'flat' then to_char(number, 'FM000000')"
            "   when 'folders' then to_char(number, 'FM000000') || '/x'"
            "   else number % 10 || '/' || number end,"
            "  case when number / 10 % 2 = 0 then 'even' else 'odd' end"
            f" from generate_series(0, {MANY - 1}) as number,"
            "  unnest('{flat,folders,deep}'::text[]) as bucket"
        )
        connection.execute(
            "create policy own on storage.objects for select to authenticated"
            " using (owner_id = 'odd')"
        )
        connection.execute("analyze storage.objects")
        yield connection


def listed(connection: Connection, role: str, call: str) -> tuple[list[str], int]:
    """Return the names that a function gives to a role, and how many rows it read for them."""
    with connection.transaction():
        connection.execute(f"set local role {role}")
        before = connection.execute(READ).fetchone()
        names = [row[0] for row in connection.execute(f"select name from {call}").fetchall()]
        after = connection.execute(READ).fetchone()
    assert before and after
    return names, after[0] - before[0]


@pytest.mark.parametrize("role", ["service_role", "authenticated"])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("bucket", ["flat", "folders", "deep"])
@pytest.mark.parametrize(
    "call",
    [
        "storage.search('pre/', '{bucket}', 100, 1, 0, '', 'name', '{order}')",
        "storage.search_v2('Pre/', '{bucket}', 100, 2, '', '{order}')",
        "storage.list_objects_with_delimiter('{bucket}', 'Pre/', '/', 100, '', '', '{order}')",
    ],
)
def test_a_page_reads_few_rows(
    filled: Connection, role: str, order: str, bucket: str, call: str
) -> None:
    names, read = listed(filled, role, call.format(bucket=bucket, order=order))
    assert len(names) == (10 if bucket == "deep" else 100)
    assert names == sorted(names, reverse=order == "desc")
    # Every row counts in the index and in the table, also those that are hidden from a user.
    assert 0 < read < 1000


@pytest.mark.parametrize("bucket", ["flat", "folders"])
def test_a_page_in_the_middle_reads_few_rows(filled: Connection, bucket: str) -> None:
    for token in ("Pre/050000", "Pre/050000/"):
        call = f"storage.list_objects_with_delimiter('{bucket}', 'Pre/', '/', 10, '', '{token}')"
        names, read = listed(filled, "authenticated", call)
        assert names[0] == "Pre/050010"  # the ten before it are another's
        assert 0 < read < 100


def test_an_empty_prefix_reads_nothing(filled: Connection) -> None:
    for call in (
        "storage.search('pre/x', 'flat')",
        "storage.search_v2('Pre/x', 'flat')",
        "storage.search('pre/', 'nowhere')",
    ):
        assert listed(filled, "authenticated", call) == ([], 0)
