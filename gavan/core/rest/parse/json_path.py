"""``column->key->0->>name``: a field and the way into its JSON."""

from __future__ import annotations

import re

from gavan.core.rest.parse.model import Field, JsonStep
from gavan.core.rest.parse.scan import Scanner

_ARROW = re.compile(r"->>?")
# An index only if what follows cannot belong to a key.
_INDEX = re.compile(r"-?\d+(?=->|::|[.,]|$)")
_KEY = re.compile(r"[^(\-:.,>)]+(?:-[^(\-:.,>)]+)*")


def parse_field(scan: Scanner) -> Field:
    """Return the field at the cursor; raise PGRST100."""
    return Field(scan.name(), parse_path(scan))


def parse_path(scan: Scanner) -> tuple[JsonStep, ...]:
    """Return the JSON steps at the cursor, () if there are none."""
    if not scan.peek("->"):
        return ()
    steps = []
    while (arrow := scan.match(_ARROW)) is not None:
        steps.append(JsonStep(_operand(scan), arrow[0] == "->>"))
    return tuple(steps)


def _operand(scan: Scanner) -> str | int:
    index = scan.match(_INDEX)
    if index is not None:
        return int(index[0])
    if scan.peek('"'):
        quoted = scan.quoted()
        if quoted is not None:
            return quoted
    key = scan.match(_KEY)
    if key is None and scan.take("-"):
        raise scan.error("digit")
    if key is None:
        raise scan.error('"-", digit or any non reserved character different from: .,>()')
    return key[0].strip()
