"""What every bench needs: a Postgres of the tests with an empty database, and the generator."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from gavan.database.embedded import Server
from tests.conftest import Cluster, Database


@pytest.fixture
def server(cluster: Cluster, database: Database) -> Server:
    assert shutil.which("wrk"), "the benches need wrk: make programs"
    return replace(cluster.server, database=database.name)
