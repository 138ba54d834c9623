"""Newcomers who follow the how-to pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.integration.howto.newcomer import Newcomer, newcomers


@pytest.fixture
def newcomer() -> Iterator[Callable[..., Newcomer]]:
    """Return a function that has somebody come into a folder; all that runs there ends after."""
    with newcomers() as come:
        yield come
