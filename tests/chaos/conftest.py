"""Supervisors for tests of the engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.supervised import Runs, short_folder


@pytest.fixture
def runs() -> Iterator[Runs]:
    """Start supervisors; whatever they left is ended after the test."""
    with short_folder() as folder:
        runs = Runs(folder)
        yield runs
        runs.end()
