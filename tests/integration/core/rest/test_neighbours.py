"""Requests at the same time: one that waits holds up nobody else."""

from __future__ import annotations

import asyncio

from tests.conftest import Database
from tests.integration.core.rest.conftest import serve
from tests.servers import wait_until

WAIT = """
create function public.wait_for_lock() returns int language sql volatile as $$
  select 1 from pg_advisory_xact_lock(4711)
$$;
create function public.quick() returns int language sql stable as 'select 2';
grant execute on function public.wait_for_lock, public.quick to anon;
"""
WAITING = "select count(*) from pg_locks where locktype = 'advisory' and not granted"


async def test_a_query_that_waits_holds_up_no_other_client(database: Database) -> None:
    with database.connect("supabase_admin") as holder:
        holder.autocommit = True
        holder.execute(WAIT)
        holder.execute("select pg_advisory_lock(4711)")

        def is_waiting() -> bool:
            return holder.execute(WAITING).fetchone() == (1,)

        async for api in serve(database):
            slow = asyncio.create_task(api.ask("POST", "/rpc/wait_for_lock"))
            await asyncio.to_thread(wait_until, is_waiting)
            for _ in range(20):
                quick = await api.get("/rpc/quick")
                assert (quick.status_code, quick.json()) == (200, 2)
            assert not slow.done()
            holder.execute("select pg_advisory_unlock(4711)")
            assert (await slow).status_code == 200
