"""The nearest known name to a wrong one, for hints, by the measure of PostgREST's FuzzySet.

Candidates are ranked by shared trigrams (bigrams if nothing shares a trigram) and judged by edits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection

from gavan.kit.nearest import edits

MAX_CANDIDATES = 500
"""Beyond this a hint costs more than it helps"""
RANKED = 50
"""How many of the likest are compared letter by letter"""
GRAM_SIZES = (3, 2)


def closest(name: str, candidates: Collection[str], minimum: float) -> str | None:
    """Return the candidate most like ``name``, or None if none scores ``minimum`` (0 to 1).

    The score is 1 less the part of the letters that must be edited.
    """
    if len(candidates) >= MAX_CANDIDATES:
        return None
    wrong = name.lower()
    for size in GRAM_SIZES:
        ranked = [
            (-_likeness(wrong, candidate.lower(), size), candidate) for candidate in candidates
        ]
        likest = sorted(pair for pair in ranked if pair[0] < 0)[:RANKED]
        scored = [(_score(wrong, candidate.lower()), candidate) for _, candidate in likest]
        # Of equals the likest by grams wins: max keeps the first.
        best = max(scored, key=lambda pair: pair[0], default=(0.0, None))
        if best[0] >= minimum:
            return best[1]
    return None


def _likeness(one: str, two: str, size: int) -> float:
    """Return the cosine of two texts by their grams."""
    first, second = _grams(one, size), _grams(two, size)
    shared = sum(count * second[gram] for gram, count in first.items())
    if not shared:
        return 0.0
    return shared / math.prod(
        math.sqrt(sum(count * count for count in grams.values())) for grams in (first, second)
    )


def _grams(text: str, size: int) -> Counter[str]:
    plain = "".join(char for char in text if char.isalnum() or char.isspace() or char == ",")
    framed = f"-{plain}-"
    return Counter(framed[start : start + size] for start in range(len(framed) - size + 1))


def _score(one: str, two: str) -> float:
    return 1 - edits(one, two) / max(len(one), len(two), 1)
