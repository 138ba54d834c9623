"""Nearest names for words that nobody knows."""

from __future__ import annotations

from collections.abc import Sequence

import click

from gavan.kit.nearest import nearest


def check_known(word: str, known: Sequence[str], path: str) -> None:
    """Raise a usage error with the nearest name when ``word`` is no verb of the group ``path``."""
    if word in known or word.startswith("-"):
        return
    near = nearest(word, known)
    hint = f"; did you mean {near!r}?" if near else f"; known: {', '.join(known)}"
    raise click.UsageError(f"{path} has no verb {word!r}{hint}")
