"""Nearest names for words that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import click


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that the user most likely meant."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)), None)


def check_known(word: str, known: Sequence[str], path: str) -> None:
    """Raise a usage error with the nearest name when ``word`` is no verb of the group ``path``."""
    if word in known or word.startswith("-"):
        return
    near = nearest(word, known)
    hint = f"; did you mean {near!r}?" if near else f"; known: {', '.join(known)}"
    raise click.UsageError(f"{path} has no verb {word!r}{hint}")
