"""Fixtures of the CRM stack's database: one migrated template, one clone per test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Cluster
from tests.stacks.crm.database import Crm, clone, template


@pytest.fixture(scope="session")
def crm_template(cluster: Cluster) -> Iterator[str]:
    with template(cluster) as name:
        yield name


@pytest.fixture
def crm(cluster: Cluster, crm_template: str) -> Iterator[Crm]:
    with clone(cluster, crm_template) as copy:
        yield copy
