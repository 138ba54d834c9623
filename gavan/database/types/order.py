"""Sort names as JavaScript's ``localeCompare`` does, so that both tools list them alike.

Stands under the model. The root collation of Unicode: punctuation, digits, letters; accents count
only between words that are otherwise equal, then case, the small letter first.
"""

from __future__ import annotations

import unicodedata

PUNCTUATION = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"


def by_name(name: str) -> tuple[list[tuple[int, int]], str, str, str]:
    """Return the sort key of a name."""
    parts = unicodedata.normalize("NFD", name)
    letters = "".join(char for char in parts if not unicodedata.combining(char))
    return [_weight(char) for char in letters.casefold()], parts.casefold(), name.swapcase(), name


def _weight(char: str) -> tuple[int, int]:
    if char in PUNCTUATION:
        return 0, PUNCTUATION.index(char)
    if char.isdigit():
        return 1, ord(char)
    return (2, ord(char)) if char.isalpha() else (0, len(PUNCTUATION) + ord(char))
