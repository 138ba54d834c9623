"""All rules, in the order of their codes."""

from __future__ import annotations

from gavan.database.lint.rule import Kind, Rule
from gavan.database.lint.rules import access, locks, logic, loss, shape

_EVERYWHERE = frozenset(Kind)
PARSED = (
    Rule(
        code="GV361",
        why="Postgres reads the word as a part of its own language (42601)",
        kinds=_EVERYWHERE,
    ),
    Rule(
        code="GV372",
        why="nobody can tell later whether the exception still holds",
        kinds=_EVERYWHERE,
    ),
)
"""Found while a file is read, not in a statement."""
RULES: tuple[Rule, ...] = tuple(
    sorted(
        (*PARSED, *access.RULES, *locks.RULES, *logic.RULES, *loss.RULES, *shape.RULES),
        key=lambda rule: rule.code,
    )
)
BY_CODE = {rule.code: rule for rule in RULES}
