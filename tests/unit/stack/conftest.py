"""Stack files written for one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from gavan.stack.load import Loaded, load

LoadFactory = Callable[..., Loaded]


@pytest.fixture
def load_factory(tmp_path: Path) -> LoadFactory:
    """Write a gavan.toml (a [stack] name is put before it) and load it."""

    def make(
        text: str = "",
        *,
        named: bool = True,
        profile: str | None = None,
        environ: Mapping[str, str] | None = None,
        overrides: Sequence[str] = (),
    ) -> Loaded:
        file = tmp_path / "gavan.toml"
        head = '[stack]\nname = "test"\n' if named else ""
        file.write_text(head + text, encoding="utf-8", newline="")
        return load(file, profile=profile, environ=environ or {}, overrides=overrides)

    return make
