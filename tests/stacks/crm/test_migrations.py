"""Every migration of the CRM can be taken back, and leads to the same schema again."""

from __future__ import annotations

import shutil
from pathlib import Path

from gavan.database.embedded import ADMIN
from gavan.database.lint.of_stack import rules_of, sources_of
from gavan.database.lint.run import lint_files
from gavan.database.migration.catalogue import compare_schemas, read_schema
from gavan.database.migration.files import read_migrations
from gavan.database.migration.lock import connect
from gavan.database.migration.run import Options
from gavan.database.migration.shadow import shadow_database
from gavan.database.migration.take_back import plan_down, take_back
from gavan.database.migration.verify import verify
from gavan.kit.secret import Secret
from gavan.stack.findings import Level
from gavan.stack.load import load_stack
from tests.conftest import Cluster, Database
from tests.stacks.crm.database import CRM, MIGRATIONS, Crm


def test_each_leads_there_and_back_and_there_again(cluster: Cluster) -> None:
    admin = Secret(cluster.url(ADMIN, "postgres"))
    owner = Secret(cluster.url("postgres", "postgres"))
    with shadow_database(admin, owner, cluster.server.passwords) as shadow:
        verified = verify(shadow, MIGRATIONS)
    assert [(one.name, list(map(str, one.differences))) for one in verified.findings] == []
    versions = [file.version for file in read_migrations(MIGRATIONS)]
    assert verified.there_and_back == versions
    assert verified.left_out == []


def test_all_are_taken_back_from_a_board_in_use(
    crm: Crm, database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    url = Secret(crm.database.url())
    crm.sign_up("ada@example.com")
    plan = plan_down(url, folder, count=len(read_migrations(folder)))
    assert len(take_back(url, plan, Options())) == len(plan)
    with connect(url, "test") as left, connect(Secret(database.url()), "test") as fresh:
        assert [str(one) for one in compare_schemas(read_schema(fresh), read_schema(left))] == []


def test_the_lint_has_nothing_against_the_down_files() -> None:
    stack = load_stack(CRM / "gavan.toml", environ={})
    sources = sources_of(stack)
    assert len(sources.downs) == len(sources.ups)
    errors = [one for one in lint_files(sources, rules_of(stack)) if one.level is Level.ERROR]
    assert errors == []
