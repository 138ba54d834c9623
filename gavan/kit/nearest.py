"""The known word that a misspelt one was meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], *, within: int = 2) -> str | None:
    """Return the known word at most ``within`` edits away, the closest first; else None.

    An edit is a letter more, less, other, or two neighbours swapped. Short words allow fewer, so
    that "a" does not become "up".
    """
    allowed = min(within, max(len(word) // 2, 1))
    ranked = sorted((edits(word.lower(), other.lower()), other) for other in set(known))
    return ranked[0][1] if ranked and ranked[0][0] <= allowed else None


def edits(left: str, right: str) -> int:
    """Return the edits between two texts (optimal string alignment distance)."""
    before: list[int] = []
    above = list(range(len(right) + 1))
    for row, letter in enumerate(left, start=1):
        line = [row]
        for column, other in enumerate(right, start=1):
            cost = min(
                above[column] + 1, line[column - 1] + 1, above[column - 1] + (letter != other)
            )
            swapped = (
                row > 1 and column > 1 and letter == right[column - 2] and left[row - 2] == other
            )
            line.append(min(cost, before[column - 2] + 1) if swapped else cost)
        before, above = above, line
    return above[-1]
