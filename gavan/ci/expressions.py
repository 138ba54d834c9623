"""The expressions of GitHub Actions: `${{ ... }}`, their contexts and functions.

Stands below lint.py. Names are those of GitHub's reference of contexts and expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

CONTEXTS = frozenset({"github", "env", "vars", "job", "jobs", "steps", "runner", "secrets",
                      "strategy", "matrix", "needs", "inputs"})  # fmt: skip
FUNCTIONS = frozenset({"contains", "startsWith", "endsWith", "format", "join", "toJSON",
                       "fromJSON", "hashFiles", "success", "always", "cancelled", "failure",
                       "case"})  # fmt: skip
_LITERALS = frozenset({"true", "false", "null", "NaN", "Infinity"})
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_NAME = re.compile(r"(?<![\w.\-])([A-Za-z_][\w-]*)(\s*\()?")
_MEMBER = re.compile(r"(?<![\w.\-])(secrets|vars|needs|inputs|steps)\.([A-Za-z_][\w-]*)")


def found_in(text: str) -> list[str]:
    """Return the expressions of a text; one that is not closed comes with its `${{`."""
    found: list[str] = []
    rest = text
    while "${{" in rest:
        _, _, rest = rest.partition("${{")
        inner, closed, after = rest.partition("}}")
        found.append(inner if closed else "${{" + inner)
        rest = after
    return found


def mistakes(expression: str) -> Iterator[str]:
    """Yield what is wrong with an expression by itself."""
    if expression.startswith("${{"):
        yield "it is not closed by }}"
        return
    bare = _QUOTED.sub("''", expression)
    if not bare.strip():
        yield "it is empty"
    if bare.count("(") != bare.count(")") or bare.count("[") != bare.count("]"):
        yield "its brackets do not match"
    if bare.count("'") % 2 or '"' in bare:
        yield "text stands between single quotes"
    for name, call in _NAME.findall(bare):
        if call and name.lower() not in {one.lower() for one in FUNCTIONS}:
            yield f"there is no function {name}"
        if not call and name not in CONTEXTS | _LITERALS:
            yield f"there is no context {name}"


def members(expression: str) -> list[tuple[str, str]]:
    """Return what it reads of secrets, vars, needs, inputs and steps, as (context, name)."""
    return _MEMBER.findall(_QUOTED.sub("''", expression))
