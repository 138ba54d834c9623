"""Embedding: both directions, junctions, hints, spreads, filters and orders on embeds."""

from __future__ import annotations

from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import Api


async def test_every_cardinality_embeds(api: Api) -> None:
    await check(
        api,
        [
            Case(
                url="/project?select=id,client(name)&order=id&limit=1",
                body=[{"id": 1, "client": {"name": "Ada"}}],
            ),
            Case(url="/project?select=id,client(name)&id=eq.4", body=[{"id": 4, "client": None}]),
            Case(
                url="/client?select=id,project(id)&order=id&project.order=id.desc",
                body=[
                    {"id": 1, "project": [{"id": 2}, {"id": 1}]},
                    {"id": 2, "project": [{"id": 3}]},
                    {"id": 3, "project": []},
                ],
            ),
            Case(
                url="/person?select=name,passport(number)&order=id",
                body=[
                    {"name": "Ann", "passport": {"number": "AA1"}},
                    {"name": "Ben", "passport": {"number": "BB2"}},
                    {"name": "Cid", "passport": None},
                ],
            ),
            Case(
                url="/passport?select=person(name)&person_id=eq.1",
                body=[{"person": {"name": "Ann"}}],
            ),
            Case(
                url="/task?select=id,person(name)&id=eq.1&person.order=name",
                body=[{"id": 1, "person": [{"name": "Ann"}, {"name": "Ben"}]}],
            ),
            Case(
                url="/client?select=name,project(id,task(title,person(name)))&id=eq.2",
                body=[
                    {
                        "name": "Bob",
                        "project": [{"id": 3, "task": [{"title": "rest", "person": []}]}],
                    }
                ],
            ),
            Case(
                url="/client?select=id,biggest_project(id)&id=eq.1",
                body=[{"id": 1, "biggest_project": {"id": 2}}],
            ),
        ],
    )


async def test_self_references_go_both_ways(api: Api) -> None:
    await check(
        api,
        [
            Case(
                url="/person?select=name,reports:person(name)&id=eq.1&reports.order=name",
                body=[{"name": "Ann", "reports": [{"name": "Ben"}, {"name": "Cid"}]}],
            ),
            Case(
                url="/person?select=name,boss:boss_id(name)&id=eq.2",
                body=[{"name": "Ben", "boss": {"name": "Ann"}}],
            ),
            Case(
                url="/person?select=name,reports:person!boss_id(name)&id=eq.2",
                body=[{"name": "Ben", "reports": []}],
            ),
            Case(
                url="/person?select=boss:person!person_boss_id_fkey(*)", status=400, code="PGRST200"
            ),
        ],
    )


async def test_hints_choose_between_relationships(api: Api) -> None:
    await check(
        api,
        [
            Case(
                url="/shipment?select=id,from:person!sender_id(name),to:person!receiver_id(name)",
                body=[{"id": 1, "from": {"name": "Ann"}, "to": {"name": "Ben"}}],
            ),
            Case(
                url="/shipment?select=person!shipment_sender_id_fkey(name)",
                body=[{"person": {"name": "Ann"}}],
            ),
            Case(url="/shipment?select=sender_id(name)", body=[{"sender_id": {"name": "Ann"}}]),
            Case(url="/shipment?select=person(name)", status=300, code="PGRST201"),
            Case(url="/client?select=*,passport(*)", status=400, code="PGRST200"),
        ],
    )
    details = (await api.get("/shipment?select=person(name)")).json()
    assert details["details"][0] == {
        "cardinality": "many-to-one",
        "embedding": "shipment with person",
        "relationship": "shipment_receiver_id_fkey using shipment(receiver_id) and person(id)",
    }
    assert "'person!shipment_sender_id_fkey'" in details["hint"]
    wrong = (await api.get("/client?select=*,projects(*)")).json()
    assert wrong["hint"] == "Perhaps you meant 'project' instead of 'projects'."


async def test_views_inherit_keys(api: Api) -> None:
    await check(
        api,
        [
            Case(
                url="/project_view?select=title,client(name)&project_id=eq.1",
                body=[{"title": "alpha", "client": {"name": "Ada"}}],
            ),
            Case(
                url="/client?select=id,project_view(title)&id=eq.2",
                body=[{"id": 2, "project_view": [{"title": "gamma"}]}],
            ),
            Case(
                url="/task?select=id,project_view(title)&id=eq.3",
                body=[{"id": 3, "project_view": {"title": "beta"}}],
            ),
        ],
    )


async def test_filters_on_embeds_restrict_only_the_embed(api: Api) -> None:
    await check(
        api,
        [
            Case(
                url="/client?select=id,project(id)&project.id=eq.3&order=id",
                body=[
                    {"id": 1, "project": []},
                    {"id": 2, "project": [{"id": 3}]},
                    {"id": 3, "project": []},
                ],
            ),
            Case(
                url="/client?select=id,project!inner(id)&project.id=eq.3",
                body=[{"id": 2, "project": [{"id": 3}]}],
            ),
            Case(
                url="/client?select=id,project!inner(task!inner(id))&project.task.id=eq.4",
                body=[{"id": 2, "project": [{"task": [{"id": 4}]}]}],
            ),
            Case(
                url="/client?select=id,p:project(id)&p.id=eq.3&id=eq.2",
                body=[{"id": 2, "p": [{"id": 3}]}],
            ),
            Case(
                url="/client?select=id,p:project(id)&project.id=eq.3&id=eq.2",
                body=[{"id": 2, "p": [{"id": 3}]}],
            ),
            Case(
                url="/client?select=id,project(id)&project.or=(id.eq.1,id.eq.2)&id=eq.1"
                "&project.order=id&project.limit=1",
                body=[{"id": 1, "project": [{"id": 1}]}],
            ),
            Case(url="/client?select=id,project()&project=is.null", body=[{"id": 3}]),
            Case(
                url="/client?select=id,project()&project=not.is.null&order=id",
                body=[{"id": 1}, {"id": 2}],
            ),
            Case(
                url="/client?select=id,project()&or=(project.is.null,id.eq.1)&order=id",
                body=[{"id": 1}, {"id": 3}],
            ),
            Case(url="/client?project=not.is.null", status=400, code="42703"),
            Case(url="/client?select=id,project()&project=is.not_null", status=400, code="42703"),
            Case(
                url="/client?project.id=eq.1",
                status=400,
                code="PGRST108",
                message="'project' is not an embedded resource in this request",
            ),
            Case(
                url="/project?select=id,client(id)&client.offset=1&id=eq.1",
                body=[{"id": 1, "client": None}],
            ),
            Case(
                url="/client?select=id,project(count)&order=id",
                body=[
                    {"id": 1, "project": [{"count": 2}]},
                    {"id": 2, "project": [{"count": 1}]},
                    {"id": 3, "project": [{"count": 0}]},
                ],
            ),
            Case(url="/project?select=client(id),client(id)", status=400, code="42712"),
        ],
    )


async def test_orders_may_name_a_to_one_embed(api: Api) -> None:
    await check(
        api,
        [
            Case(
                url="/project?select=id,client(name)&order=client(name).desc.nullslast,id",
                body=[
                    {"id": 3, "client": {"name": "Bob"}},
                    {"id": 1, "client": {"name": "Ada"}},
                    {"id": 2, "client": {"name": "Ada"}},
                    {"id": 4, "client": None},
                ],
            ),
            Case(url="/project?order=client(name)", status=400, code="PGRST108"),
            Case(
                url="/client?select=id,project(id)&order=project(id)", status=400, code="PGRST118"
            ),
        ],
    )


async def test_spreads_lift_columns(api: Api) -> None:
    await check(
        api,
        [
            Case(
                url="/project?select=id,...client(client_name:name,city)&id=in.(1,4)&order=id",
                body=[
                    {"id": 1, "client_name": "Ada", "city": "Riga"},
                    {"id": 4, "client_name": None, "city": None},
                ],
            ),
            Case(
                url="/task?select=id,...project(project:name,...client(client:name))&id=eq.1",
                body=[{"id": 1, "project": "alpha", "client": "Ada"}],
            ),
            Case(
                url="/client?select=id,...project(names:name,client(city))&id=eq.1"
                "&project.order=client(city),id.desc",
                body=[
                    {
                        "id": 1,
                        "names": ["beta", "alpha"],
                        "client": [{"city": "Riga"}, {"city": "Riga"}],
                    }
                ],
            ),
            Case(
                url="/client?select=id,...project(names:name)&project.order=id&order=id",
                body=[
                    {"id": 1, "names": ["alpha", "beta"]},
                    {"id": 2, "names": ["gamma"]},
                    {"id": 3, "names": []},
                ],
            ),
        ],
    )


async def test_fields_come_before_embeds_in_the_answer(api: Api) -> None:
    answer = await api.get("/project?select=client(id),id&id=eq.1")
    assert answer.text == '[{"id":1,"client":{"id":1}}]'


async def test_embeds_cannot_nest_without_end(api: Api) -> None:
    deep = "project(client(" * 15 + "id" + "))" * 15
    await check(api, [Case(url=f"/client?select={deep}", status=400, code="PGRST100")])
