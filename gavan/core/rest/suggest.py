"""The nearest known name to a wrong one, for hints. Never suggests below a minimum score."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from difflib import SequenceMatcher

MAX_CANDIDATES = 500
"""Beyond this a hint costs more than it helps"""


def closest(name: str, candidates: Collection[str], minimum: float) -> str | None:
    """Return the candidate most like ``name``, or None if none scores ``minimum`` (0 to 1).

    The score is the mean overlap of the two names' bigrams and trigrams, as a cosine.
    """
    if len(candidates) >= MAX_CANDIDATES:
        return None
    grams = _grams(name)
    best, best_score = None, (0.0, 0.0)
    for candidate in sorted(candidates):
        score = _cosine(grams, _grams(candidate))
        rank = (score, SequenceMatcher(None, name, candidate).ratio() if score else 0.0)
        if rank > best_score:
            best, best_score = candidate, rank
    # Ranked by grams, decided by edit likeness: one wrong letter spoils many grams.
    return best if best_score[1] >= minimum and best_score[0] > 0 else None


def _grams(name: str) -> Counter[str]:
    text = f"-{name.lower()}-"
    return Counter(
        text[start : start + size] for size in (2, 3) for start in range(len(text) - size + 1)
    )


def _cosine(one: Counter[str], two: Counter[str]) -> float:
    shared = sum(count * two[gram] for gram, count in one.items() if gram in two)
    if not shared:
        return 0.0
    lengths = (math.sqrt(sum(n * n for n in grams.values())) for grams in (one, two))
    return shared / math.prod(lengths)
