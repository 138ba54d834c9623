"""What the driver alone costs: Python time per request of the pool, with a session as the data API
sets it. Run by ``make bench-driver``.
"""

from __future__ import annotations

import asyncio
import json
import time

import psycopg
import uvloop

from bench.machine import cluster, facts
from gavan.database.pool import Pool
from gavan.database.session import Session, Statement
from gavan.kit.secret import Secret

REQUESTS = 8000
ROUNDS = 3
CLAIMS = {"role": "authenticated", "sub": "6f9619ff-8b86-d011-b42d-00cf4fc964ff", "email": "a@b.co"}
SESSION = Session(
    role="authenticated",
    settings=(
        ("search_path", '"public", "extensions"'),
        ("request.jwt.claims", json.dumps(CLAIMS)),
        ("request.method", "GET"),
        ("request.path", "/item"),
        ("request.headers", json.dumps({"accept": "*/*", "x-client-info": "supabase-js/2"})),
        ("request.cookies", "{}"),
    ),
    read_only=True,
)
STATEMENT = Statement(
    text="select coalesce(json_agg(t), '[]')::text from (select * from note where id = $1) t",
    params=(b"42",),
)


async def measure(url: Secret, connections: int) -> tuple[float, float]:
    """Return the best round: requests per second and microseconds of this process for each."""
    pool = Pool(url, size=connections)
    await pool.open()

    async def worker() -> None:
        for _ in range(REQUESTS // connections):
            await pool.run(SESSION, STATEMENT)

    best = (0.0, 0.0)
    for _ in range(ROUNDS):
        began, used = time.perf_counter(), time.process_time()
        await asyncio.gather(*(worker() for _ in range(connections)))
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - used
        best = max(best, (REQUESTS / wall_s, cpu_s / REQUESTS * 1e6))
    await pool.close()
    return best


def main() -> None:
    """Measure at one and at sixteen connections and print."""
    print(facts())
    with cluster() as (server, _):
        with psycopg.connect(server.url("postgres").reveal(), autocommit=True) as connection:
            connection.execute(
                "create table note (id int primary key, text text);"
                "insert into note select n, 'note ' || n from generate_series(1, 1000) n; analyze"
            )
        for connections in (1, 16):
            rate, cost_us = uvloop.run(
                measure(server.url("authenticator", socket=True), connections)
            )
            print(f"{connections:>3} connections: {rate:>7.0f}/s, {cost_us:>4.0f} us per request")


if __name__ == "__main__":
    main()
