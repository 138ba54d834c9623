"""Function calls."""

from __future__ import annotations

from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import Api, token_of

ONE = "application/vnd.pgrst.object+json"


async def test_results_take_the_shape_of_the_return_type(api: Api) -> None:
    await check(
        api,
        [
            Case(url="/rpc/hello", body="hello"),
            Case(url="/rpc/add?a=1", body=11, range="0-0/*"),
            Case(url="/rpc/add?a=1&b=2", body=3),
            Case(method="POST", url="/rpc/add", send={"a": 1, "b": 5}, body=6),
            Case(url="/rpc/numbers", body=[1, 2, 3]),
            Case(
                url="/rpc/bare_record",
                body=[{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}],
            ),
            Case(url="/rpc/pair_out", body={"x": 1, "y": "two"}),
            Case(
                url="/rpc/one_project?wanted=1&select=id,client(name)",
                body={"id": 1, "client": {"name": "Ada"}},
            ),
            Case(url="/rpc/one_project?wanted=99&select=id,name", body={"id": None, "name": None}),
            Case(
                method="POST",
                url="/rpc/nothing",
                send={},
                status=204,
                range="0-0/*",
                expect={"content-type": None, "content-length": None},
            ),
            Case(method="POST", url="/rpc/nothing", send={}, accept=ONE, status=204),
            Case(
                url="/rpc/projects_of?client=1&select=id,task(id)&id=gt.1&task.order=id",
                body=[{"id": 2, "task": [{"id": 3}]}],
            ),
            Case(
                url="/rpc/projects_of?client=1&order=name.desc&select=id&limit=1",
                prefer="count=exact",
                status=206,
                body=[{"id": 2}],
                range="0-0/2",
            ),
            Case(
                url="/rpc/projects_of?client=1&select=initials&name=eq.beta",
                body=[{"initials": "B"}],
            ),
            Case(url="/rpc/projects_of?client=1&select=id&id=eq.1", accept=ONE, body={"id": 1}),
            Case(url="/rpc/projects_of?client=1&select=id", accept="text/csv", text="id\n1\n2"),
            Case(method="HEAD", url="/rpc/hello", expect={"content-range": "0-0/*"}),
        ],
    )


async def test_arguments_choose_the_function(api: Api) -> None:
    await check(
        api,
        [
            Case(
                url="/rpc/add",
                status=404,
                code="PGRST202",
                message="Could not find the function public.add without parameters"
                " in the schema cache",
            ),
            Case(url="/rpc/add?a=1&c=2", status=404, code="PGRST202"),
            Case(
                url="/rpc/over?a=1",
                status=300,
                code="PGRST203",
                message="Could not choose the best candidate function between:"
                " public.over(a => integer), public.over(a => text)",
            ),
            Case(method="POST", url="/rpc/echo_body", send={"any": 1}, body={"any": 1}),
            Case(method="POST", url="/rpc/echo_body", send=[1, 2], status=400, code="PGRST102"),
            Case(url="/rpc/echo_body", status=404, code="PGRST202"),
            Case(
                method="POST",
                url="/rpc/echo_text",
                send=b"raw \xc3\xa9",
                body="raw \u00e9",
                headers={"content-type": "text/plain"},
            ),
            Case(
                method="POST",
                url="/rpc/hello",
                send=b"raw",
                status=404,
                code="PGRST202",
                headers={"content-type": "text/plain"},
            ),
            Case(url="/rpc/joined?parts=a&parts=b", body="a+b"),
            Case(method="POST", url="/rpc/joined", send={"parts": ["a", "b"]}, body="a+b"),
            Case(url="/rpc/plain_list?v=1&v=2", body="2"),
            Case(url="/rpc/plain_list?v=in.foo", status=400, code="PGRST100"),
            Case(url="/rpc/plain_list?v=", body=""),
            Case(method="POST", url="/rpc/add?x=1", send={"a": 1}, status=400, code="PGRST100"),
            Case(method="POST", url="/rpc/add", send=[{"a": 1}, {"a": 4}], body=11),
            Case(
                method="POST",
                url="/rpc/add",
                send=b"a=2&b=3",
                body=5,
                headers={"content-type": "application/x-www-form-urlencoded"},
            ),
            Case(method="POST", url="/rpc/hello", send=b"", body="hello"),
            Case(method="POST", url="/rpc/hello", send={}, body="hello", headers={"Range": "5-2"}),
            Case(url="/rpc/nope", status=404, code="PGRST202"),
        ],
    )
    answer = await api.get("/rpc/helo")
    assert answer.json()["hint"] == "Perhaps you meant to call the function public.hello"
    answer = await api.get("/rpc/add?a=1&bb=2")
    assert answer.json()["hint"] == "Perhaps you meant to call the function public.add(a, b)"


async def test_transactions_follow_method_and_volatility(api: Api) -> None:
    await check(
        api,
        [
            Case(url="/rpc/write_row", status=405, code="25006"),
            Case(method="POST", url="/rpc/write_row", send={}, body=1),
            Case(
                method="POST",
                url="/rpc/add",
                send={"a": 1},
                status=400,
                code="PGRST128",
                prefer="handling=strict, max-affected=1",
            ),
            Case(
                method="POST",
                url="/rpc/numbers",
                send={},
                status=400,
                code="PGRST124",
                prefer="handling=strict, max-affected=2",
            ),
        ],
    )


async def test_the_database_reads_the_request(api: Api) -> None:
    token = token_of("authenticated", sub="someone", extra={"n": 1})
    answer = await api.get("/rpc/context", token=token, headers={"X-Own": "yes", "Cookie": "a=b"})
    seen = answer.json()
    assert seen["role"] == "authenticated"
    assert seen["claims"]["sub"] == "someone"
    assert seen["method"] == "GET"
    assert seen["path"] == "/rpc/context"
    assert seen["headers"]["x-own"] == "yes"
    assert "cookie" not in seen["headers"]
    assert seen["cookies"] == {"a": "b"}
    assert seen["search_path"] == '"public", "public", "extensions"'
    anonymous = (await api.get("/rpc/context")).json()
    assert anonymous["claims"] == {"role": "anon"}


async def test_the_settings_of_the_role_apply(api: Api) -> None:
    await check(
        api,
        [
            Case(url="/rpc/timeout", body="3s"),
            Case(url="/rpc/timeout", token=token_of("authenticated"), body="8s"),
        ],
    )


async def test_the_database_overrides_status_and_headers(api: Api) -> None:
    answer = await api.get("/rpc/teapot")
    assert answer.status_code == 418
    assert answer.json() == "short"
    assert answer.headers["x-pot"] == "tea"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    await check(
        api,
        [Case(method="POST", url="/rpc/bad_headers", send={}, status=500, code="PGRST111")],
    )


async def test_raised_errors_become_http_errors(api: Api) -> None:
    detail = '{"status": 403, "headers": {"X-Why": "rule"}}'
    await check(
        api,
        [
            Case(
                method="POST",
                url="/rpc/raise_pt",
                send={"state": "PT402"},
                status=402,
                body={"code": "PT402", "message": "pay", "details": "more", "hint": "now"},
            ),
            Case(
                method="POST",
                url="/rpc/raise_pt",
                send={"state": "PT40A"},
                status=500,
                code="PT40A",
            ),
            Case(method="POST", url="/rpc/raise_pt", send={"state": "P0001"}, status=400),
            Case(method="POST", url="/rpc/raise_pt", send={"state": "40001"}, status=500),
            Case(
                method="POST",
                url="/rpc/raise_pgrst",
                status=403,
                send={"message": '{"code": "C1", "message": "no"}', "detail": detail},
                body={"code": "C1", "message": "no", "details": None, "hint": None},
                expect={"x-why": "rule"},
            ),
            Case(
                method="POST",
                url="/rpc/raise_pgrst",
                status=403,
                send={"message": '{"code": "a\\r\\nb: c", "message": "no"}', "detail": detail},
                expect={"proxy-status": "PostgREST; error=abc", "b": None},
            ),
            Case(
                method="POST",
                url="/rpc/raise_pgrst",
                send={"message": "x", "detail": detail},
                status=500,
                code="PGRST121",
            ),
            Case(
                method="POST",
                url="/rpc/raise_pgrst",
                status=500,
                code="PGRST121",
                send={"message": '{"code": "C1", "message": "no"}', "detail": "{}"},
            ),
        ],
    )
