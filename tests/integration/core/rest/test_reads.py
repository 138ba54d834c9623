"""GET on relations: filters, orders, ranges, counts, shapes."""

from __future__ import annotations

from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import Api


def ids(url: str, *wanted: int) -> Case:
    return Case(url=f"{url}&select=id&order=id", body=[{"id": item} for item in wanted])


async def test_every_operator_filters_as_postgres_does(api: Api) -> None:
    await check(
        api,
        [
            ids("/project?id=eq.2", 2),
            ids("/project?id=neq.2", 1, 3, 4),
            ids("/project?id=gt.2", 3, 4),
            ids("/project?id=gte.2&id=lt.4", 2, 3),
            ids("/project?id=lte.1", 1),
            ids("/project?name=like.*a", 1, 2, 3),
            ids("/project?name=ilike.A*", 1),
            ids("/project?name=like(any).{al*,be*}", 1, 2),
            ids("/project?name=like(all).{*a*,*m*}", 3),
            ids("/project?name=match.^a", 1),
            ids("/project?name=imatch.^A", 1),
            ids("/project?id=in.(1,3)", 1, 3),
            ids("/project?id=not.in.(1,3)", 2, 4),
            ids("/project?id=in.()"),
            ids("/project?id=not.in.()", 1, 2, 3, 4),
            ids('/project?name=in.("alpha","x,y")', 1),
            ids("/project?id=eq(any).{1,2}", 1, 2),
            ids("/project?id=gt(all).{1,2}", 3, 4),
            ids("/project?client_id=is.null", 4),
            ids("/project?client_id=is.nullxyz", 4),
            ids("/project?client_id=is.NOT_NULL", 1, 2, 3),
            ids("/project?client_id=not.is.null", 1, 2, 3),
            ids("/task?done=is.true", 1),
            ids("/task?done=is.unknown", 4),
            ids("/project?client_id=isdistinct.1", 3, 4),
            ids("/project?words=fts.ship", 1),
            ids("/project?words=plfts(english).sailing ship", 1),
            ids("/project?words=phfts(english).sailing ships", 1),
            ids("/project?words=wfts.calm", 2),
            ids("/project?name=fts.alpha", 1),
            ids("/project?data->>s=fts(english).text", 1),
            ids("/project?tags=cs.{red}", 1),
            ids("/project?tags=cd.{red,blue,green}", 1, 2, 3),
            ids("/project?tags=ov.{red,blue}", 1, 2),
            ids("/project?during=sl.[5,9)", 1),
            ids("/project?during=sr.[1,5)", 2),
            ids("/project?during=nxr.[1,5)", 1),
            ids("/project?during=nxl.[5,9)", 2),
            ids("/project?during=adj.[5,9)", 1),
            ids("/project?data->>s=eq.text", 1),
            ids("/project?data->k->n->>0=eq.1", 1),
            ids("/project?data->my-key=eq.1", 1),
            ids("/project?initials=eq.B", 2),
        ],
    )


async def test_logic_trees_nest_and_negate(api: Api) -> None:
    await check(
        api,
        [
            ids("/project?or=(id.eq.1,id.eq.3)", 1, 3),
            ids("/project?not.or=(id.eq.1,id.eq.3)", 2, 4),
            ids("/project?and=(id.gte.1,not.or(client_id.is.null,id.in.(1,2)))", 3),
            ids("/project?and=(id.eq.1,id.neq.2))", 1),
            ids('/project?or=(name.eq."alpha",during.ov."[6,7)")', 1, 2),
            ids("/project?or=(data->>s.eq.text,tags.cs.{blue})", 1, 2),
            ids("/project?and=( id.gt.1 , id.lt.3 )", 2),
            Case(url="/project?or=()", status=400, code="PGRST100"),
            Case(url="/project?or=(id.eq.1", status=400, code="PGRST100"),
        ],
    )


async def test_select_shapes_the_rows(api: Api) -> None:
    await check(
        api,
        [
            Case(
                url="/project?select=nr:id,budget::text,data->k->n->>2,data->2&id=eq.1",
                body=[{"nr": 1, "budget": "10.5", "n": "x", "data": None}],
            ),
            Case(url="/project?select=initials&id=eq.2", body=[{"initials": "B"}]),
            Case(url="/project?select=count", body=[{"count": 4}]),
            Case(url="/client?select=id&select=name&id=eq.1", body=[{"id": 1}]),
            Case(
                url='/odd%20"name?select="a.b",order,sp%20ace&"a.b"=eq.1'.replace(
                    'odd%20"', "odd%20%22"
                ),
                body=[{"a.b": 1, "order": "first", "sp ace": "x"}],
            ),
            Case(url='/odd%20%22name?"order"=eq.first&select="a.b"', body=[{"a.b": 1}]),
            Case(url='/odd%20%22name?order="a.b".desc&select="a.b"', body=[{"a.b": 2}, {"a.b": 1}]),
            Case(url="/client?id&id=eq.1&select=id", body=[{"id": 1}]),
            Case(url="/client?name=eq.%22Ada%22", body=[]),
        ],
    )


async def test_faults_of_the_url_have_postgrests_codes(api: Api) -> None:
    await check(
        api,
        [
            Case(
                url="/client?id=noop.0",
                status=400,
                code="PGRST100",
                message='"failed to parse filter (noop.0)" (line 1, column 1)',
            ),
            Case(url="/client?id=", status=400, code="PGRST100"),
            Case(
                url="/client?order=id.asc,name.foo",
                status=400,
                code="PGRST100",
                message='"failed to parse order (id.asc,name.foo)" (line 1, column 13)',
            ),
            Case(url="/client?select=nope", status=400, code="42703"),
            Case(
                url="/client?nope=eq.1",
                status=400,
                code="42703",
                message="column client.nope does not exist",
            ),
            Case(url="/client?id=eq.x", status=400, code="22P02"),
            Case(url="/project?data->>x->y=eq.1", status=404, code="42883"),
            Case(url="/client?select=id::nope", status=400, code="42704"),
            Case(url="/clien", status=404, code="PGRST205"),
            Case(url="/client/", status=404, code="PGRST125"),
            Case(url="/a/b", status=404, code="PGRST125"),
            Case(url="/client?select=id.sum()", status=400, code="PGRST123"),
            Case(url="/client?limit=-1", status=416, code="PGRST103"),
            Case(url="/client", headers={"Range": "5-2"}, status=416, code="PGRST103"),
            Case(url="/secret", status=401, code="42501", expect={"www-authenticate": "Bearer"}),
            Case(url="/client", headers={"Accept-Profile": "no"}, status=406, code="PGRST106"),
        ],
    )
    answer = await api.get("/clien")
    assert answer.json()["hint"] == "Perhaps you meant the table 'public.client'"
    assert answer.headers["proxy-status"] == "PostgREST; error=PGRST205"


async def test_ranges_and_counts_follow_the_table(api: Api) -> None:
    await check(
        api,
        [
            Case(url="/project?select=id&limit=2&order=id", range="0-1/*"),
            Case(url="/project?select=id&limit=2&offset=1&order=id", range="1-2/*"),
            Case(
                url="/project?limit=2",
                prefer="count=exact",
                status=206,
                range="0-1/4",
                expect={"preference-applied": "count=exact"},
            ),
            Case(url="/project", prefer="count=exact", status=200, range="0-3/4"),
            Case(url="/project?limit=0", body=[], range="*/*"),
            Case(url="/project?limit=0", prefer="count=exact", status=206, body=[], range="*/4"),
            Case(url="/project?offset=4", prefer="count=exact", status=206, body=[], range="*/4"),
            Case(
                url="/project?offset=5",
                prefer="count=exact",
                status=416,
                code="PGRST103",
                range="*/4",
            ),
            Case(url="/project?offset=5", body=[], range="*/*"),
            Case(url="/project?offset=-4", range="0-3/*"),
            Case(url="/project?limit=abc", range="0-3/*"),
            Case(url="/project?limit=3", headers={"Range": "0-1"}, range="0-1/*"),
            Case(url="/project", headers={"Range": "1-"}, range="1-3/*"),
            Case(url="/project", headers={"Range": "bytes=0-1"}, range="0-3/*"),
            Case(url="/project?id=gt.99", prefer="count=exact", body=[], range="*/0"),
            Case(
                url="/client?select=id,project!inner(id)&project.id=eq.1",
                prefer="count=exact",
                body=[{"id": 1, "project": [{"id": 1}]}],
                range="0-0/1",
            ),
            Case(
                url="/client?select=id,project!inner(id)&limit=1&order=id",
                prefer="count=exact",
                status=206,
                range="0-0/2",
            ),
            Case(
                url="/client?select=id,project()&project=is.null&limit=5",
                prefer="count=exact",
                body=[{"id": 3}],
                range="0-0/1",
            ),
        ],
    )
    planned = await api.get("/project", prefer="count=planned")
    assert planned.headers["content-range"].split("/")[1].isdecimal()
    estimated = await api.get("/project", prefer="count=estimated")
    assert int(estimated.headers["content-range"].split("/")[1]) >= 4


async def test_media_types_are_negotiated(api: Api) -> None:
    one = "application/vnd.pgrst.object+json"
    await check(
        api,
        [
            Case(
                url="/client?id=eq.1&select=id",
                accept=one,
                body={"id": 1},
                expect={"content-type": f"{one}; charset=utf-8"},
            ),
            Case(url="/client", accept=one, status=406, code="PGRST116"),
            Case(url="/client?id=eq.99", accept=one, status=406, code="PGRST116"),
            Case(
                url="/client?id=eq.2",
                accept=f"{one};nulls=stripped",
                body={"id": 2, "name": "Bob"},
                expect={"content-type": f"{one};nulls=stripped; charset=utf-8"},
            ),
            Case(
                url="/client?id=eq.2",
                accept="application/vnd.pgrst.array+json;nulls=stripped",
                body=[{"id": 2, "name": "Bob"}],
            ),
            Case(
                url="/client?id=eq.2",
                accept="application/vnd.pgrst.array",
                expect={"content-type": "application/json; charset=utf-8"},
            ),
            Case(
                url="/client?order=id",
                accept="text/csv",
                text="id,name,city\n1,Ada,Riga\n2,Bob,\n3,Lone,Oslo",
                expect={"content-type": "text/csv; charset=utf-8"},
            ),
            Case(url="/keyless", accept="text/csv", text="\n"),
            Case(
                url="/client",
                accept="application/*",
                status=406,
                code="PGRST107",
                message="None of these media types are available: application/*",
            ),
            Case(url="/client", accept="text/plain", status=406, code="PGRST107"),
            Case(url="/client", accept="text/plain, */*;q=0.1", status=200),
            Case(
                url="/client", accept="application/vnd.pgrst.plan+json", status=406, code="PGRST107"
            ),
        ],
    )


async def test_head_answers_headers_only(api: Api) -> None:
    answer = await api.ask("HEAD", "/client", prefer="count=exact")
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["content-range"] == "0-2/3"
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert "content-length" not in answer.headers


async def test_success_names_its_content_location(api: Api) -> None:
    answer = await api.get("/client?select=id&id=gt.1")
    assert answer.headers["content-location"] == "/client?id=gt.1&select=id"
    assert (await api.get("/client")).headers["content-location"] == "/client"


async def test_preferences_are_echoed_and_strictness_is_kept(api: Api) -> None:
    await check(
        api,
        [
            Case(url="/client", prefer="count=none", expect={"preference-applied": None}),
            Case(url="/client", prefer="handling=strict, count=none", status=400, code="PGRST122"),
            Case(
                url="/client",
                prefer="handling=lenient, nonsense, timezone=UTC",
                expect={"preference-applied": "handling=lenient, timezone=UTC"},
            ),
            Case(url="/client", prefer="handling=strict, tx=commit", status=200),
            Case(url="/client", prefer="timezone=Nowhere/Land", status=400, code="22023"),
            Case(
                url="/task?id=eq.1&select=created_at",
                prefer="timezone=+05:30",
                body=[{"created_at": "2026-01-01T21:34:05-05:30"}],
            ),
        ],
    )


async def test_options_lists_the_methods(api: Api) -> None:
    await check(
        api,
        [
            Case(
                url="/client",
                method="OPTIONS",
                expect={"allow": "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE", "content-length": "0"},
            ),
            Case(
                url="/keyless",
                method="OPTIONS",
                expect={"allow": "OPTIONS,GET,HEAD,POST,PATCH,DELETE"},
            ),
            Case(url="/calm_view", method="OPTIONS", expect={"allow": "OPTIONS,GET,HEAD"}),
            Case(url="/rpc/hello", method="OPTIONS", expect={"allow": "OPTIONS,GET,HEAD,POST"}),
            Case(url="/rpc/nothing", method="OPTIONS", expect={"allow": "OPTIONS,POST"}),
            Case(url="/rpc/add", method="OPTIONS", status=404, code="PGRST202"),
            Case(url="/unknown", method="OPTIONS", status=404, code="PGRST205"),
            Case(url="/client", method="TRACE", status=405, code="PGRST117"),
            Case(url="/rpc/hello", method="DELETE", status=405, code="PGRST101"),
            Case(url="/", method="POST", status=405, code="PGRST117"),
        ],
    )


async def test_the_root_describes_the_schema(api: Api) -> None:
    answer = await api.get("/")
    assert answer.headers["content-type"] == "application/openapi+json; charset=utf-8"
    document = answer.json()
    assert document["info"]["version"].split()[0] == "14.12"
    project = document["definitions"]["project"]
    assert project["required"] == ["id", "name"]
    assert "<fk table='client' column='id'/>" in project["properties"]["client_id"]["description"]
    assert document["definitions"]["sea"]["properties"]["mood"]["enum"] == ["calm", "storm"]
    assert set(document["paths"]["/client"]) == {"get", "post", "patch", "delete"}
    assert "/rpc/add" in document["paths"]
    await check(api, [Case(url="/", accept="text/csv", status=406, code="PGRST107")])
