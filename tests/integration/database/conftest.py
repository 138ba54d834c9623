"""The fixtures that the tests of the migrations share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gavan.database.embedded import ADMIN
from gavan.database.migration.shadow import shadow_database
from gavan.kit.secret import Secret
from tests.conftest import Cluster, Database
from tests.migrations import Migrations, Shadow


@pytest.fixture
def migrations(tmp_path: Path, database: Database) -> Iterator[Migrations]:
    """An empty folder of migrations and a fresh database."""
    made = Migrations(tmp_path, Secret(database.url("postgres")))
    yield made
    made.connection.close()


@pytest.fixture
def shadow(cluster: Cluster) -> Shadow:
    """A function that makes a shadow on the server of the tests."""
    admin = Secret(cluster.url(ADMIN, "postgres"))
    owner = Secret(cluster.url("postgres", "postgres"))
    return lambda: shadow_database(admin, owner, cluster.server.passwords)
