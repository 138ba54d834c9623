"""Functions by the role postgres that try to become more than postgres wherever they are called."""

from __future__ import annotations

from dataclasses import dataclass

from tests.conftest import Database

# What is found out is kept in sequences, whose steps no rollback takes back; in a transaction that
# may only read, in a lock of the session.
SETUP = """
create sequence public.tried;
create sequence public.seized;
grant all on all sequences in schema public to public;

create function public.note(what text) returns void
    language plpgsql
    as $body$
begin
    perform nextval('public.' || what);
exception when read_only_sql_transaction then
    perform pg_advisory_lock(4711, length(what));
end
$body$;

create function public.seize() returns boolean
    language plpgsql
    as $body$
declare
    attempt text;
begin
    foreach attempt in array array[
        'select 1',
        'set role supabase_admin',
        'set local role supabase_admin',
        'reset role',
        'set session authorization supabase_admin',
        'reset session authorization',
        'set local session authorization default',
        'select set_config(''role'', ''supabase_admin'', true)',
        'select set_config(''role'', ''supabase_admin'', false)',
        'select set_config(''role'', ''none'', true)',
        'select set_config(''session_authorization'', ''supabase_admin'', true)'
    ] loop
        begin
            execute attempt;
            if exists (
                select from pg_roles
                where rolname in (current_user, session_user) and rolsuper
            ) then
                perform public.note('seized');
            end if;
            execute 'select count(*) from pg_authid';
            perform public.note('seized');
        exception when others then
            null;
        end;
    end loop;
    perform public.note('tried');
    return true;
end
$body$;

create function public.seize_by_trigger() returns trigger
    language plpgsql
    as $body$
begin
    perform public.seize();
    return new;
end
$body$;

create function public.seize_by_hook(event jsonb) returns jsonb
    language plpgsql
    as $body$
begin
    perform public.seize();
    return event;
end
$body$;
grant execute on function public.seize_by_hook to supabase_auth_admin;
"""


@dataclass(frozen=True, slots=True)
class Trap:
    """The functions in a database, and what came of them."""

    database: Database

    def lay(self, *statements: str) -> None:
        """Write something that calls the functions, as postgres."""
        with self.database.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @property
    def tried(self) -> int:
        """How often a function ran to its end."""
        return self._count("tried")

    @property
    def seized(self) -> int:
        """How often one had the rights of a superuser."""
        return self._count("seized")

    def _count(self, sequence: str) -> int:
        with self.database.connect() as connection:
            row = connection.execute(
                "select (select case when is_called then last_value else 0 end"
                f" from public.{sequence}) + (select count(*) from pg_locks"
                f" where locktype = 'advisory' and classid = 4711 and objid = {len(sequence)}"
                " and database = (select oid from pg_database"
                " where datname = current_database()))".encode()
            ).fetchone()
        assert row
        return int(row[0])
