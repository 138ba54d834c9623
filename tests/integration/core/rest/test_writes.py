"""POST, PUT, PATCH and DELETE on relations."""

from __future__ import annotations

from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import Api

ONE = "application/vnd.pgrst.object+json"
FULL = "return=representation"


async def test_inserts_answer_by_preference(api: Api) -> None:
    await check(
        api,
        [
            Case(
                method="POST",
                url="/client",
                send={"id": 10, "name": "a"},
                status=201,
                text="",
                range="*/*",
                expect={"content-length": "0", "content-type": None},
            ),
            Case(
                method="POST",
                url="/client",
                send={"id": 11, "name": "b"},
                status=201,
                prefer="return=headers-only",
                expect={"location": "/client?id=eq.11"},
            ),
            Case(
                method="POST",
                url="/client",
                send=[{"id": 12, "name": "c"}, {"id": 13, "name": "d"}],
                status=201,
                prefer="return=headers-only, count=exact",
                range="*/2",
                expect={"location": None, "preference-applied": "return=headers-only, count=exact"},
            ),
            Case(
                method="POST",
                url="/client?select=name,project(id)",
                send={"id": 14, "name": "e"},
                prefer=FULL,
                status=201,
                body=[{"name": "e", "project": []}],
                expect={"location": None, "preference-applied": FULL},
            ),
            Case(
                method="POST",
                url="/project?select=client(name),initials",
                send={"id": 50, "name": "zed", "client_id": 1},
                prefer=FULL,
                status=201,
                body=[{"client": {"name": "Ada"}, "initials": "Z"}],
            ),
            Case(
                method="POST",
                url="/pair",
                send={"a": 5, "b": 6},
                status=201,
                prefer="return=headers-only",
                expect={"location": "/pair?a=eq.5&b=eq.6"},
            ),
            Case(
                method="POST",
                url="/client",
                send={"id": 15, "name": "f"},
                accept=ONE,
                prefer=FULL,
                status=201,
                body={"id": 15, "name": "f", "city": None},
            ),
            Case(method="POST", url="/client", send=5, status=201),
            Case(method="POST", url="/client", send=[], status=201, prefer=FULL, body=[]),
            Case(method="POST", url="/pair", send={}, status=400, code="23502"),
            Case(
                method="POST",
                url="/generated",
                send=[{}, {}],
                prefer=f"{FULL}, count=exact",
                status=201,
                range="*/2",
            ),
            Case(method="POST", url="/generated", send={}, prefer=FULL, status=201),
            Case(method="POST", url="/generated", send={"id": 4}, status=400, code="428C9"),
            Case(
                method="POST", url="/client", send={"id": 1, "name": "x"}, status=409, code="23505"
            ),
            Case(
                method="POST",
                url="/project",
                send={"id": 60, "name": "x", "client_id": 99},
                status=409,
                code="23503",
            ),
            Case(method="POST", url="/client", send={"id": 61}, status=400, code="23502"),
            Case(
                method="POST", url="/sea", send={"id": 5, "mood": "rage"}, status=400, code="22P02"
            ),
            Case(
                method="POST",
                url="/sea",
                send={"id": 5, "mood": "calm", "depth": -1},
                status=400,
                code="23514",
            ),
            Case(method="POST", url="/write_only", send={"id": 1, "name": "x"}, status=201),
            Case(
                method="POST",
                url="/write_only",
                send={"id": 2, "name": "x"},
                prefer=FULL,
                status=401,
                code="42501",
            ),
        ],
    )


async def test_bodies_are_checked_before_the_database(api: Api) -> None:
    await check(
        api,
        [
            Case(
                method="POST",
                url="/client",
                send=b"nope",
                status=400,
                code="PGRST102",
                message="Empty or invalid json",
            ),
            Case(method="POST", url="/client", send=b"", status=400, code="PGRST102"),
            Case(
                method="POST",
                url="/client",
                send=[{"id": 20}, {"name": "b"}],
                status=400,
                code="PGRST102",
                message="All object keys must match",
            ),
            Case(method="POST", url="/client", send=[1], status=400, code="PGRST102"),
            Case(
                method="POST",
                url="/client",
                send={"nope": 1},
                status=400,
                code="PGRST204",
                message="Could not find the 'nope' column of 'client' in the schema cache",
            ),
            Case(
                method="POST",
                url="/client?columns=nope",
                send={"nope": 1},
                status=400,
                code="PGRST204",
            ),
            Case(
                method="POST", url="/client?columns=", send={"id": 1}, status=400, code="PGRST100"
            ),
            Case(
                method="POST",
                url="/client?columns=id,name",
                send=b"garbage",
                status=400,
                code="22P02",
            ),
            Case(
                method="POST",
                url="/client?columns=id,name",
                prefer=FULL,
                status=201,
                send=[{"id": 20, "name": "x", "zzz": 2}, {"id": 21, "name": "y"}],
                body=[{"id": 20, "name": "x", "city": None}, {"id": 21, "name": "y", "city": None}],
            ),
            Case(
                method="POST",
                url="/client",
                send=b"a",
                headers={"content-type": "text/plain"},
                status=400,
                code="PGRST102",
                message="Content-Type not acceptable: text/plain",
            ),
            Case(
                method="POST",
                url="/client",
                send=b"id,name\n30,csv\n31,NULL",
                headers={"content-type": "text/csv"},
                status=400,
                code="23502",
            ),
            Case(
                method="POST",
                url="/client",
                send=b'id,name,city\n30,csv,NULL\n31,"q,r",',
                headers={"content-type": "text/csv"},
                prefer=FULL,
                status=201,
                body=[
                    {"id": 30, "name": "csv", "city": None},
                    {"id": 31, "name": "q,r", "city": ""},
                ],
            ),
            Case(
                method="POST",
                url="/client",
                send=b"id,name\n1",
                status=400,
                code="PGRST102",
                headers={"content-type": "text/csv"},
            ),
            Case(
                method="POST",
                url="/client",
                send=b"id=32&name=a+form",
                status=201,
                prefer=FULL,
                headers={"content-type": "application/x-www-form-urlencoded"},
                body=[{"id": 32, "name": "a form", "city": None}],
            ),
        ],
    )


async def test_missing_keys_take_defaults_when_asked(api: Api) -> None:
    await check(
        api,
        [
            Case(
                method="POST",
                url="/pair?columns=a,b,note",
                send=[{"a": 7, "b": 7}],
                prefer=FULL,
                status=201,
                body=[{"a": 7, "b": 7, "note": None}],
            ),
            Case(
                method="POST",
                url="/pair?columns=a,b,note",
                prefer=f"{FULL}, missing=default",
                send=[{"a": 8, "b": 8}, {"a": 8, "b": 9, "note": "own"}],
                status=201,
                body=[{"a": 8, "b": 8, "note": "noted"}, {"a": 8, "b": 9, "note": "own"}],
                expect={"preference-applied": "missing=default, return=representation"},
            ),
            Case(
                method="POST",
                url="/task?columns=id,title&select=id",
                send={"title": "t"},
                prefer=f"{FULL}, missing=default",
                status=201,
                body=[{"id": 100}],
            ),
        ],
    )


async def test_upserts_merge_or_ignore(api: Api) -> None:
    merge, ignore = "resolution=merge-duplicates", "resolution=ignore-duplicates"
    await check(
        api,
        [
            Case(
                method="POST",
                url="/client",
                send={"id": 1, "name": "Ada2"},
                prefer=f"{merge}, {FULL}",
                status=200,
                body=[{"id": 1, "name": "Ada2", "city": "Riga"}],
                expect={"preference-applied": f"{merge}, {FULL}"},
            ),
            Case(
                method="POST",
                url="/client",
                status=201,
                prefer=f"{merge}, {FULL}",
                send=[{"id": 1, "name": "Ada3"}, {"id": 40, "name": "new"}],
            ),
            Case(method="POST", url="/client", send=[], prefer=merge, status=200),
            Case(
                method="POST",
                url="/client",
                send={"id": 1, "name": "no"},
                prefer=f"{ignore}, {FULL}",
                status=201,
                body=[],
            ),
            Case(
                method="POST",
                url="/person?on_conflict=name",
                send={"id": 90, "name": "Cid"},
                prefer=f"{ignore}, {FULL}",
                status=201,
                body=[],
            ),
            Case(
                method="POST",
                url="/person?on_conflict=boss_id",
                send={"id": 90, "name": "Q"},
                prefer=merge,
                status=400,
                code="42P10",
            ),
            Case(
                method="POST",
                url="/keyless",
                send={"id": 1},
                prefer=merge,
                status=201,
                expect={"preference-applied": None},
            ),
            Case(
                method="POST",
                url="/client",
                prefer=merge,
                status=500,
                code="21000",
                send=[{"id": 1, "name": "x"}, {"id": 1, "name": "y"}],
            ),
            Case(url="/client?id=eq.1&select=name", body=[{"name": "Ada3"}]),
        ],
    )


async def test_puts_store_the_row_of_the_url(api: Api) -> None:
    await check(
        api,
        [
            Case(
                method="PUT",
                url="/client?id=eq.70",
                send={"id": 70, "name": "put"},
                prefer=FULL,
                status=201,
                body=[{"id": 70, "name": "put", "city": None}],
                expect={"content-range": None},
            ),
            Case(
                method="PUT",
                url="/client?id=eq.70",
                send={"id": 70, "name": "again"},
                prefer=FULL,
                status=200,
            ),
            Case(
                method="PUT", url="/client?id=eq.70", send={"id": 70, "name": "third"}, status=204
            ),
            Case(
                method="PUT",
                url="/client?id=eq.70",
                status=204,
                send=[{"id": 70, "name": "one"}, {"id": 71, "name": "two"}],
            ),
            Case(url="/client?id=gte.70&select=id,name", body=[{"id": 70, "name": "one"}]),
            Case(
                method="PUT",
                url="/client?id=eq.72",
                send={"id": 73, "name": "x"},
                status=400,
                code="PGRST115",
            ),
            Case(url="/client?id=gte.72", body=[]),
            Case(
                method="PUT",
                url="/client?id=eq.1&name=eq.x",
                send={"id": 1, "name": "x"},
                status=405,
                code="PGRST105",
            ),
            Case(
                method="PUT",
                url="/client?id=gt.1",
                send={"id": 1, "name": "x"},
                status=405,
                code="PGRST105",
            ),
            Case(method="PUT", url="/keyless?id=eq.1", send={"id": 1}, status=405, code="PGRST105"),
            Case(
                method="PUT",
                url="/client?id=eq.1&limit=1",
                send={"id": 1, "name": "x"},
                status=400,
                code="PGRST114",
            ),
            Case(
                method="PUT",
                url="/pair?a=eq.1&b=eq.1",
                send={"a": 1, "b": 1, "note": "n"},
                status=204,
            ),
        ],
    )


async def test_updates_and_deletes_need_a_filter_and_tell_how_many(api: Api) -> None:
    await check(
        api,
        [
            Case(
                method="PATCH",
                url="/client?id=eq.1",
                send={"city": "X"},
                status=204,
                range="0-0/*",
                expect={"content-type": None, "content-length": None},
            ),
            Case(
                method="PATCH",
                url="/client?id=lte.2&select=id&order=id.desc",
                send={"city": "Y"},
                prefer=f"{FULL}, count=exact",
                status=200,
                body=[{"id": 2}, {"id": 1}],
                range="0-1/2",
            ),
            Case(
                method="PATCH", url="/client?id=eq.99", send={"city": "X"}, status=204, range="*/*"
            ),
            Case(
                method="PATCH",
                url="/client?id=eq.99",
                send={"city": "X"},
                status=200,
                body=[],
                prefer=f"{FULL}, count=exact",
                range="*/0",
            ),
            Case(method="PATCH", url="/client", send={}, status=204, range="*/*"),
            Case(
                method="PATCH", url="/client?id=eq.1", send=[{}], prefer=FULL, status=200, body=[]
            ),
            Case(
                method="PATCH",
                url="/client?id=eq.1&select=id,initials:name",
                send={},
                prefer=FULL,
                status=200,
                body=[],
            ),
            Case(
                method="PATCH",
                url="/client",
                send={"city": "X"},
                status=400,
                code="21000",
                message="UPDATE requires a WHERE clause",
            ),
            Case(
                method="DELETE",
                url="/client",
                status=400,
                code="21000",
                message="DELETE requires a WHERE clause",
            ),
            Case(
                method="PATCH",
                url="/client?id=eq.99",
                send={"city": "X"},
                accept=ONE,
                status=406,
                code="PGRST116",
            ),
            Case(
                method="PATCH",
                url="/client?id=lte.2",
                send={"city": "lost"},
                accept=ONE,
                status=406,
                code="PGRST116",
            ),
            Case(url="/client?city=eq.lost", body=[]),
            Case(
                method="PATCH",
                url="/client?id=lte.3",
                send={"city": "lost"},
                status=400,
                prefer="handling=strict, max-affected=2",
                code="PGRST124",
            ),
            Case(url="/client?city=eq.lost", body=[]),
            Case(
                method="PATCH",
                url="/client?id=lte.2",
                send={"city": "Z"},
                status=204,
                prefer="handling=strict, max-affected=2",
                expect={"preference-applied": "handling=strict, max-affected=2"},
            ),
            Case(
                method="PATCH",
                url="/project?id=eq.1&select=id,client(name)",
                send={"budget": 1},
                prefer=FULL,
                status=200,
                body=[{"id": 1, "client": {"name": "Ada"}}],
            ),
            Case(
                method="PATCH",
                url="/task?id=eq.1&select=id,person(name)&person.name=eq.Ann",
                send={"title": "t"},
                prefer=FULL,
                status=200,
                body=[{"id": 1, "person": [{"name": "Ann"}]}],
            ),
            Case(
                method="DELETE",
                url="/task?id=gt.2&limit=1",
                prefer="count=exact",
                status=204,
                range="*/2",
            ),
            Case(
                method="DELETE",
                url="/task?id=eq.1&select=title",
                prefer=FULL,
                status=200,
                body=[{"title": "t"}],
                range="*/*",
            ),
            Case(method="DELETE", url="/task?id=eq.99", status=204, send={}),
        ],
    )
