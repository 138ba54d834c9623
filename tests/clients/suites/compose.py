"""The configurations that the auth suites assume, read from their own checkout.

Their docker-compose.yml is read by its shape, not by a YAML library: one service after the other,
``KEY: 'value'`` under ``environment:``.
"""

from __future__ import annotations

import re
from pathlib import Path

_PORT = re.compile(r"- '(\d+):\1'")
_VARIABLE = re.compile(r"^      ([A-Z][A-Z0-9_]*): *(.*)$")
_UNSET = re.compile(r"\$\{\w+\}")


def gotrue_services(file: Path) -> dict[int, dict[str, str]]:
    """Return the variables of every GoTrue of a compose file, by its port."""
    found: dict[int, dict[str, str]] = {}
    for service in re.split(r"^  (?=\w+:)", file.read_text(), flags=re.MULTILINE):
        port = _PORT.search(service)
        if "image: supabase/auth:" not in service or port is None:
            continue
        pairs = (_VARIABLE.match(line) for line in service.splitlines())
        found[int(port[1])] = {pair[1]: _plain(pair[2]) for pair in pairs if pair}
    return found


def _plain(value: str) -> str:
    return _UNSET.sub("", value.strip().strip("'\""))
