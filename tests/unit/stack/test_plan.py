"""The order of units."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gavan.stack.load import load
from gavan.stack.model import Condition, Stack
from gavan.stack.plan import plan_units
from tests.unit.stack.conftest import LoadFactory


def _names(stack: Stack, *, dev: bool = False) -> list[str]:
    return [unit.name for unit in plan_units(stack, dev=dev)]


def test_smallest_stack_is_postgres_migrate_core(load_factory: LoadFactory) -> None:
    units = plan_units(load_factory().stack)
    assert [unit.name for unit in units] == ["postgres", "migrate", "core"]
    assert [unit.once for unit in units] == [False, True, False]
    assert units[2].needs == {"migrate": Condition.COMPLETED}


def test_external_database_has_no_postgres_unit(load_factory: LoadFactory) -> None:
    stack = load_factory(
        "[database]\nexternal_url = 'secret://DATABASE_URL'\n"
        "[apps.a]\ncommand='x'\nneeds={database='healthy'}\n",
        environ={"DATABASE_URL": "postgresql://h/d"},
    ).stack
    units = plan_units(stack)
    assert [unit.name for unit in units] == ["migrate", "core", "a"]
    assert units[0].needs == {}
    assert units[2].needs == {"migrate": Condition.COMPLETED}


def test_apps_stand_after_what_they_need_and_else_in_the_order_of_the_file(
    load_factory: LoadFactory,
) -> None:
    stack = load_factory(
        "[apps.d]\ncommand='x'\nneeds={b='started'}\n"
        "[apps.c]\ncommand='x'\n"
        "[apps.b]\nkind='job'\ncommand='x'\nneeds={database='healthy'}\n"
        "[apps.a]\ncommand='x'\n"
    ).stack
    assert _names(stack)[3:] == ["c", "b", "d", "a"]


def test_a_site_is_served_by_the_proxy_or_runs_under_dev(load_factory: LoadFactory) -> None:
    stack = load_factory("[sites.web]\ndev='vite'\nbuild='vite build'\n").stack
    assert _names(stack)[3:] == ["proxy"]
    assert _names(stack, dev=True)[3:] == ["web"]


def test_a_route_needs_the_proxy_also_under_dev(load_factory: LoadFactory) -> None:
    stack = load_factory(
        "[sites.web]\ndev='vite'\n[apps.a]\ncommand='x'\nport=3000\nroutes=[{host='api'}]\n"
    ).stack
    assert _names(stack, dev=True)[3:] == ["a", "web", "proxy"]


def test_cron_runs_only_with_an_entry_for_the_profile(load_factory: LoadFactory) -> None:
    text = "[cron.c]\nschedule='@every 5m'\nsql='select 1'\nprofiles=['prod']\n"
    assert "cron" not in _names(load_factory(text).stack)
    assert _names(load_factory(text, profile="prod").stack)[-1] == "cron"


@given(st.data())
def test_every_unit_stands_after_its_needs(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    order = data.draw(st.permutations(range(count)))
    apps = {
        number: data.draw(st.sets(st.sampled_from(order[:place]))) if place else set()
        for place, number in enumerate(order)
    }
    text = ""
    for number, needed in sorted(apps.items()):
        needs = ", ".join(f"a{other} = 'started'" for other in sorted(needed))
        text += f"[apps.a{number}]\ncommand='x'\nneeds = {{ {needs} }}\n"
    stack = _stack(text)
    seen: set[str] = set()
    for unit in plan_units(stack):
        assert set(unit.needs) <= seen | {"core"}
        seen.add(unit.name)
    assert seen >= {f"a{number}" for number in apps}


def _stack(text: str) -> Stack:
    # Hypothesis runs one test many times: a fixture's directory would be shared.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gavan.toml"
        file.write_text(f"[stack]\nname = 'test'\n{text}")
        loaded = load(file, environ={})
    assert loaded.findings == ()
    return loaded.stack
