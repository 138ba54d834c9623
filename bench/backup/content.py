"""What is backed up: a database of cards with comments and events, and objects as files."""

from __future__ import annotations

import random
import uuid
from pathlib import Path

import psycopg

from gavan.kit.storage.blob import blob_key

SIZES = (4_000, 12_000, 30_000, 80_000)
BYTES_PER_ROW = 300
"""Of all tables with their indexes, about"""
SHAPE = """
create table public.card (
    id bigint primary key, board uuid not null, title text not null, body text,
    tags text[] not null, moved_at timestamptz not null default now()
);
create table public.comment (
    id bigint primary key, card bigint not null, author uuid not null, body text not null
);
create table public.event (
    id bigint primary key, card bigint not null, what text not null, said jsonb not null,
    at timestamptz not null
);
"""
ROWS = """
insert into public.card
    select n, md5((n % 50)::text)::uuid, 'card ' || n || ' ' || md5(n::text),
        repeat(md5((n * 7)::text) || ' ', 3), array[md5((n % 9)::text)], now()
    from generate_series(1, {count}) as n;
insert into public.comment
    select n, 1 + n % {count}, md5((n % 500)::text)::uuid, repeat(md5((n * 3)::text) || ' ', 4)
    from generate_series(1, {count}) as n;
insert into public.event
    select n, 1 + n % {count}, (array['moved', 'made', 'closed'])[1 + n % 3],
        jsonb_build_object('from', n % 7, 'to', n % 5, 'by', md5((n % 500)::text),
            'note', md5(n::text)),
        now() - n * interval '1 second'
    from generate_series(1, {count}) as n;
"""
KEYS = """
create index on public.card (board, moved_at);
create index on public.comment (card);
create index on public.event (card, at);
alter table public.comment add foreign key (card) references public.card;
alter table public.event add foreign key (card) references public.card;
alter table public.card enable row level security;
analyze;
"""


def fill(url: str, megabytes: int) -> int:
    """Make tables of about so many megabytes, with indexes; return the bytes of the database."""
    count = megabytes * 1_000_000 // BYTES_PER_ROW // 3
    with psycopg.connect(url, autocommit=True) as connection:
        for text in (SHAPE, ROWS.format(count=count), KEYS):
            connection.execute(text.encode())
        row = connection.execute("select pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0


def fill_objects(url: str, folder: Path, count: int) -> int:
    """Store objects as the core does, of random bytes; return their bytes."""
    drawn = random.Random(7)  # the same bytes in every run
    total = 0
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("insert into storage.buckets (id, name) values ('files', 'files')")
        rows = []
        for number in range(count):
            version = str(uuid.UUID(int=drawn.getrandbits(128)))
            content = drawn.randbytes(drawn.choice(SIZES))
            path = folder / blob_key(version)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            total += len(content)
            rows.append((f"folder {number % 100}/{number}", version, len(content)))
        cursor.executemany(
            "insert into storage.objects (bucket_id, name, version, metadata)"
            " values ('files', %s, %s, jsonb_build_object('size', %s::bigint))",
            rows,
        )
    return total
