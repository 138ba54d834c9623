"""The two providers, empty; every test of test_provider.py holds for both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from gavan.kit.storage.files import Files
from gavan.kit.storage.provider import Provider

Opening = Callable[[], Provider]
"""Opens the same store once more, as a process does that is started again"""


@pytest.fixture(params=["files"])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opening]:
    """Return what opens an empty store."""
    yield lambda: Files(tmp_path / "blobs")


@pytest.fixture
async def provider(opening: Opening) -> AsyncIterator[Provider]:
    """An empty store."""
    provider = opening()
    yield provider
    await provider.close()
