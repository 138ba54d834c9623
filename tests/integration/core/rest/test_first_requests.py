"""The shortest way through the whole pipeline."""

from __future__ import annotations

from tests.integration.core.rest.conftest import Api


async def test_a_relation_is_read_as_a_json_array(api: Api) -> None:
    answer = await api.get("/client?select=id,name&order=id")
    assert answer.status_code == 200
    assert answer.json()[0] == {"id": 1, "name": "Ada"}
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["content-range"] == "0-2/*"


async def test_a_row_is_inserted_and_returned(api: Api) -> None:
    answer = await api.ask(
        "POST", "/client", body={"id": 9, "name": "New"}, prefer="return=representation"
    )
    assert answer.status_code == 201
    assert answer.json() == [{"id": 9, "name": "New", "city": None}]
