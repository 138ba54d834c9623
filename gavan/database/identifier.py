"""Quote names and literals for SQL text; the one place that does.

Stands beside the session: everything that writes SQL by string goes through here.
"""

from __future__ import annotations


def quote_identifier(name: str) -> str:
    """Return ``name`` as a quoted SQL identifier; NUL, which no name can hold, is dropped."""
    return '"' + name.replace("\0", "").replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return ``text`` as a SQL string literal that does not depend on any server setting."""
    text = text.replace("\0", "").replace("'", "''")
    if "\\" in text:
        return " E'" + text.replace("\\", "\\\\") + "'"
    return "'" + text + "'"
