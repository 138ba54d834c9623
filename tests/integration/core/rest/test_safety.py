"""What a request must never do: read others' rows, run its own SQL, break the service."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import Api, token_of

A = "00000000-0000-0000-0000-00000000000a"
B = "00000000-0000-0000-0000-00000000000b"
ATTACKS = (
    "1; drop table client",
    "1'; drop table client; --",
    "1') or true; --",
    '"; drop table client; --',
    '") from client; drop table client; --',
    "$1; drop table client",
    "*/ drop table client /*",
    "\\'; drop table client; --",
    "E'\\047; drop table client",
    "id) as x from pg_authid; --",
)
PLACES = (
    "/client?id=eq.{}",
    "/client?name=in.({})",
    "/client?{}=eq.1",
    "/client?select={}",
    "/client?select=id::{}",
    "/client?select={}:id",
    "/client?select=id,project!{}(id)",
    "/project?select=data->>{}",
    "/project?data->{}=eq.1",
    "/client?order={}",
    "/client?order=id.{}",
    "/client?or=({})",
    "/client?or=(name.eq.{})",
    "/client?name=fts({}).x",
    "/client?limit={}",
    "/client?offset={}",
    "/rpc/add?a={}",
    "/rpc/{}",
    "/{}",
)


async def test_a_user_reads_and_writes_only_own_rows(api: Api) -> None:
    mine = token_of("authenticated", sub=A)
    await check(
        api,
        [
            Case(url="/note?select=id", token=mine, body=[{"id": 1}]),
            Case(url="/note?select=id", token=mine, prefer="count=exact", range="0-0/1"),
            Case(url="/note?id=eq.2", token=mine, body=[]),
            Case(url="/note", body=[]),
            Case(
                method="PATCH",
                url="/note?id=eq.2",
                send={"text": "x"},
                token=mine,
                status=200,
                prefer="return=representation",
                body=[],
            ),
            Case(
                method="DELETE",
                url="/note?id=eq.2",
                token=mine,
                status=200,
                prefer="return=representation",
                body=[],
            ),
            Case(
                method="POST",
                url="/note",
                send={"id": 3, "owner": B, "text": "x"},
                token=mine,
                status=403,
                code="42501",
            ),
            Case(
                method="POST",
                url="/note",
                send={"id": 2, "owner": A, "text": "x"},
                token=mine,
                prefer="resolution=merge-duplicates",
                status=403,
                code="42501",
            ),
            Case(
                url="/note?select=id&order=id",
                token=token_of("service_role"),
                body=[{"id": 1}, {"id": 2}],
            ),
            Case(url="/secret", token=mine, status=403, code="42501"),
            Case(
                url="/secret",
                token=token_of("anon"),
                status=401,
                code="42501",
                expect={"www-authenticate": "Bearer"},
            ),
        ],
    )


async def test_bad_tokens_are_refused_with_postgrests_codes(api: Api) -> None:
    foreign = sign({"role": "service_role"}, Secret("another secret of thirty-two bytes!"))
    await check(
        api,
        [
            Case(
                url="/client",
                token="",
                status=401,
                code="PGRST301",
                message="Empty JWT is sent in Authorization header",
            ),
            Case(
                url="/client",
                token="a.b",
                status=401,
                code="PGRST301",
                message="Expected 3 parts in JWT; got 2",
            ),
            Case(url="/client", token=foreign, status=401, code="PGRST301"),
            Case(
                url="/client",
                token=token_of("anon", exp=1),
                status=401,
                code="PGRST303",
                message="JWT expired",
                expect={
                    "www-authenticate": 'Bearer error="invalid_token",'
                    ' error_description="JWT expired"'
                },
            ),
            Case(url="/client", token=token_of("nobody_here"), status=401, code="22023"),
            Case(url="/client", token=token_of("supabase_admin"), status=403, code="42501"),
            Case(url="/client", token=token_of("none"), status=401, code="22023"),
        ],
    )


async def test_sql_in_any_place_is_only_text(api: Api) -> None:
    for place in PLACES:
        for attack in ATTACKS:
            answer = await api.get(place.format(quote(attack)))
            assert answer.status_code < 500, (place, attack, answer.text)
    await check(api, [Case(url="/client?select=count", body=[{"count": 3}])])


async def test_sql_in_bodies_and_headers_is_only_text(api: Api) -> None:
    for attack in ATTACKS:
        for answer in (
            await api.ask("POST", "/client", body={"id": 7, "name": attack, attack: 1}),
            await api.ask("POST", "/client", body={"id": 1, "name": attack}),
            await api.ask("PATCH", "/client?id=eq.1", body={"name": attack}),
            await api.ask("POST", f"/client?columns={quote(attack)}", body={"id": 1}),
            await api.ask(
                "POST",
                f"/client?on_conflict={quote(attack)}",
                body={"id": 1, "name": "a"},
                prefer="resolution=merge-duplicates",
            ),
            await api.get("/client", prefer=f"timezone={attack}"),
            await api.get("/client", headers={"x-odd": attack, "accept": attack}),
            await api.get("/client", headers={"accept-profile": attack}),
        ):
            assert answer.status_code < 500, (attack, answer.text)
    await check(api, [Case(url="/client?select=count", body=[{"count": 3}])])


async def test_nul_and_broken_unicode_are_client_errors(api: Api) -> None:
    for url in (
        "/client?name=eq.%00",
        "/client?name=eq.%ff%fe",
        "/client?%00=eq.1",
        "/client?select=%00",
        "/client?name=in.(%00)",
        "/rpc/plain_list?v=%00",
    ):
        answer = await api.get(url)
        assert answer.status_code < 500, (url, answer.text)


@pytest.mark.slow
async def test_no_query_string_makes_a_server_error(api: Api) -> None:
    """Values drawn from the grammar's own alphabet reach deeper than random text."""
    alphabet = st.sampled_from(
        [
            *"()!.,:*\"'-> {}=&$\\",
            "id",
            "name",
            "project",
            "eq",
            "in",
            "not",
            "is",
            "null",
            "and",
            "or",
            "select",
            "order",
            "limit",
            "1",
            "::",
        ]
    )
    urls: list[str] = []

    @settings(
        max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(
        st.lists(alphabet, max_size=14),
        st.sampled_from(
            [
                "/client?{}",
                "/client?select={}",
                "/client?order={}",
                "/client?or={}",
                "/client?id={}",
                "/rpc/add?a={}",
            ]
        ),
    )
    def collect(parts: list[str], place: str) -> None:
        urls.append(place.format(quote("".join(parts), safe="=&(),.:*!")))

    collect()
    for url in urls:
        answer = await api.get(url)
        assert answer.status_code < 500, (url, answer.text)
