"""The fixture that the tests of the migrations share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.migrations import Migrations


@pytest.fixture
def migrations(tmp_path: Path, database: Database) -> Iterator[Migrations]:
    """An empty folder of migrations and a fresh database."""
    made = Migrations(tmp_path, database)
    yield made
    made.connection.close()
