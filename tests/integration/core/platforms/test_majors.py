"""The data API alone against each supported major of Postgres: one request of every kind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.alone import Alone, running_alone
from tests.conftest import JWT_SECRET
from tests.plain_postgres import PlainPostgres
from tests.servers import wait_until

OPTIONS = {
    "PGRST_DB_ANON_ROLE": "anon",
    "PGRST_JWT_SECRET": JWT_SECRET,
    "PGRST_DB_AGGREGATES_ENABLED": "true",
    "PGRST_DB_PLAN_ENABLED": "true",
}
MEMBER = {"authorization": f"Bearer {sign({'role': 'member'}, Secret(JWT_SECRET))}"}


@pytest.fixture(scope="session")
def api(postgres: PlainPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    log = tmp_path_factory.mktemp("core") / "log"
    with running_alone(postgres.url("authenticator"), log, OPTIONS) as running:
        yield running


def read(api: Alone, url: str, **headers: str) -> object:
    answer = api.client.get(url, headers=headers)
    assert answer.is_success, answer.text
    return answer.json()


def test_filters_orders_and_pages(api: Alone) -> None:
    url = "/book?select=title,facts->isbn->>a,pages&tags=cs.{b}&order=pages.desc.nullslast&limit=1"
    assert read(api, url) == [{"title": "Beta", "a": None, "pages": 400}]
    assert read(api, "/book?select=id&during=cs.[2020-03-03,2020-03-04)") == [{"id": 1}]
    assert read(api, "/book?select=id&title=fts.gamma") == [{"id": 3}]
    assert read(api, "/book?select=id,summary&or=(id.eq.3,and(pages.lt.200,size.eq.short))") == [
        {"id": 1, "summary": "Alpha (short)"},
        {"id": 3, "summary": "Gamma (long)"},
    ]


@pytest.mark.parametrize(
    ("url", "rows"),
    [
        ("/book?select=id,author(name)&id=eq.1", [{"id": 1, "author": {"name": "Ann"}}]),
        (
            "/author?select=name,book(id)&order=id&book.order=id",
            [{"name": "Ann", "book": [{"id": 1}, {"id": 2}]}, {"name": "Bob", "book": [{"id": 3}]}],
        ),
        (
            "/long_book?select=title,...author(name)&order=id",
            [{"title": "Beta", "name": "Ann"}, {"title": "Gamma", "name": "Bob"}],
        ),
        ("/author?select=name,long_book!inner(id)&long_book.id=eq.3",
         [{"name": "Bob", "long_book": [{"id": 3}]}]),
        ("/tagged?select=tag,uses,book(title)&book_id=eq.2",
         [{"tag": "b", "uses": 2, "book": {"title": "Beta"}}]),
        ("/shelf?select=name,place(label)", [{"name": "top", "place": []}]),
    ],
    ids=["view", "view-to-many", "view-of-cte", "inner", "materialized", "table"],
)  # fmt: skip
def test_embeds_by_keys_that_views_show(api: Alone, url: str, rows: object) -> None:
    assert read(api, url) == rows


def test_aggregates_and_counts(api: Alone) -> None:
    assert read(api, "/book?select=writer,pages.sum(),count()&order=writer") == [
        {"writer": 1, "sum": 500, "count": 2},
        {"writer": 2, "sum": 500, "count": 1},
    ]
    for kind, total in (("exact", "3"), ("planned", ""), ("estimated", "")):
        answer = api.client.get("/book?limit=1", headers={"prefer": f"count={kind}"})
        assert answer.status_code in {200, 206}
        assert answer.headers["content-range"].startswith(f"0-0/{total}")
        assert answer.headers["content-range"] != "0-0/*"
    plan = {"accept": "application/vnd.pgrst.plan+json; options=analyze|buffers"}
    assert read(api, "/book", **plan)


def test_writes_upserts_and_their_representations(api: Alone) -> None:
    def write(method: str, url: str, body: object = None, prefer: str = "") -> tuple[int, object]:
        sent = {**MEMBER, "prefer": f"return=representation,{prefer}"}
        answer = api.client.request(method, url, json=body, headers=sent)
        return answer.status_code, answer.json()

    made = write("POST", "/place?columns=label,shelf_id", [{"shelf_id": 1}], "missing=default")
    assert made == (201, [{"id": 1, "shelf_id": 1, "label": "unnamed"}])
    shelves = [{"id": 1, "name": "low"}, {"id": 2, "name": "new"}]
    assert write("POST", "/shelf", shelves, "resolution=merge-duplicates") == (201, shelves)
    assert write("POST", "/shelf", shelves, "resolution=ignore-duplicates") == (201, [])
    assert write("PUT", "/shelf?id=eq.2", {"id": 2, "name": "put"})[0] == 200
    assert write("PATCH", "/place?select=label,shelf(name)&id=eq.1", {"label": "x"}) == (
        200,
        [{"label": "x", "shelf": {"name": "low"}}],
    )
    assert write("DELETE", "/place?id=eq.1")[1] == [{"id": 1, "shelf_id": 1, "label": "x"}]
    assert write("PATCH", "/author?id=eq.2", {"name": "Bo"}, "tx=commit") == (
        200,
        [{"id": 2, "name": "Bo"}],
    )
    assert write("DELETE", "/shelf?id=eq.2")[0] == 200


def test_functions(api: Alone) -> None:
    assert read(api, "/rpc/add?a=2") == 3
    assert api.client.post("/rpc/add", json={"a": 2, "b": 3}).json() == 5
    assert read(api, "/rpc/books_of?writer=2&select=title,author(name)")
    assert read(api, "/rpc/many?numbers=1&numbers=2") == 3
    teapot = api.client.post("/rpc/refuse")
    assert (teapot.status_code, teapot.json()["hint"]) == (418, "tea")


@pytest.mark.parametrize(
    ("method", "url", "body", "status", "code"),
    [
        ("GET", "/nowhere", None, 404, "PGRST205"),
        ("GET", "/book?select=id,shelf(*)", None, 400, "PGRST200"),
        ("GET", "/book?id=eq.x", None, 400, "22P02"),
        ("GET", "/book?nothing=eq.1", None, 400, "42703"),
        ("GET", "/rpc/add?a=1&c=2", None, 404, "PGRST202"),
        ("POST", "/shelf", {"id": 1, "name": "again"}, 409, "23505"),
        ("POST", "/place", {"shelf_id": 99}, 409, "23503"),
        ("POST", "/shelf", {"id": 5}, 400, "23502"),
        ("POST", "/book", {"title": "x"}, 500, "55000"),  # the view takes no rows
    ],
)
def test_errors_have_the_same_codes_everywhere(
    api: Alone, method: str, url: str, body: object, status: int, code: str
) -> None:
    answer = api.client.request(method, url, json=body, headers=MEMBER)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_nobody_writes_without_the_privilege(api: Alone) -> None:
    answer = api.client.post("/shelf", json={"id": 7, "name": "x"})
    assert (answer.status_code, answer.json()["code"]) == (401, "42501")


def test_the_root_describes_what_is_there(api: Alone) -> None:
    paths = read(api, "/")
    assert isinstance(paths, dict)
    assert {"/book", "/shelf", "/tagged", "/rpc/books_of"} <= set(paths["paths"])


def test_a_notification_brings_a_new_table(api: Alone, postgres: PlainPostgres) -> None:
    with postgres.connect() as connection:
        connection.execute("create table app.fresh (id int); grant select on app.fresh to anon")
        connection.execute("notify pgrst, 'reload schema'")
    wait_until(lambda: api.client.get("/fresh").status_code == 200)


@pytest.mark.parametrize("lang", ["ts", "py"])
def test_types_are_made_from_it(postgres: PlainPostgres, lang: str) -> None:
    argv = ["types", "--lang", lang, "--schema", "app", "--db-url", postgres.url()]
    done = subprocess.run(
        [sys.executable, "-m", "gavan", *argv], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "longbook" in done.stdout.lower().replace("_", "")
    assert "during" in done.stdout


def test_the_process_names_no_defect(api: Alone) -> None:
    assert not api.said("Traceback")
