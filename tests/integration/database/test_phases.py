"""Part of what is pending: up to a version, or of one phase."""

from __future__ import annotations

import pytest

from gavan.database.migration.apply import plan_up
from gavan.database.migration.files import Phase
from gavan.database.migration.run import Options
from gavan.kit.errors import GavanError
from tests.migrations import Migrations

CONTRACT = "-- gavan: phase=contract\n"


@pytest.fixture
def phased(migrations: Migrations) -> Migrations:
    """Two that expand, then one that contracts."""
    migrations.write("000_a.sql", "create table a (id int, old int);")
    migrations.write("010_b.sql", "-- gavan: phase=expand\nalter table a add column new int;")
    migrations.write("020_c.sql", f"{CONTRACT}alter table a drop column old;")
    return migrations


def test_only_versions_up_to_one_are_applied(phased: Migrations) -> None:
    assert phased.up(to="010") == ["000", "010"]
    assert phased.up(to="000") == []
    assert phased.up() == ["020"]


def test_a_version_that_is_not_there_applies_nothing(phased: Migrations) -> None:
    with pytest.raises(GavanError) as caught:
        phased.up(to="015")
    assert caught.value.code == "GV333"
    assert "010, 020" in (caught.value.hint or "")
    assert phased.tables() == []


def test_what_contracts_waits_for_its_own_run(phased: Migrations) -> None:
    assert phased.up(phase=Phase.EXPAND) == ["000", "010"]
    assert phased.up(phase=Phase.EXPAND) == []
    plan = plan_up(phased.url, phased.folder, Options(phase=Phase.CONTRACT))
    assert [parsed.file.version for parsed in plan] == ["020"]
    assert phased.up(phase=Phase.CONTRACT) == ["020"]
    assert phased.ask("select version, phase from gavan.migration_log order by id") == [
        ("000", "expand"),
        ("010", "expand"),
        ("020", "contract"),
    ]


def test_contracting_before_expanding_is_refused(phased: Migrations) -> None:
    with pytest.raises(GavanError) as caught:
        phased.up(phase=Phase.CONTRACT)
    assert caught.value.code == "GV337"
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("gavan migrate up --phase expand")
    assert phased.tables() == []


def test_what_expands_behind_what_contracts_is_refused_before_anything_runs(
    phased: Migrations,
) -> None:
    phased.write("030_d.sql", "create table d (id int);")
    with pytest.raises(GavanError) as caught:
        phased.up(phase=Phase.EXPAND)
    assert caught.value.code == "GV337"
    assert caught.value.where == f"{phased.folder / '030_d.sql'}:1:1"
    assert phased.tables() == []
    assert phased.up(phase=Phase.EXPAND, to="020") == ["000", "010"]
    assert phased.up(phase=Phase.CONTRACT) == ["020"]
    assert phased.up(phase=Phase.EXPAND) == ["030"]


def test_a_phase_that_there_is_not_is_refused(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "-- gavan: phase=contrakt\nselect 1;")
    with pytest.raises(GavanError) as caught:
        migrations.up()
    assert caught.value.code == "GV336"
