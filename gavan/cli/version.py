"""`gavan version`: what a bug report needs to know."""

from __future__ import annotations

import platform

from gavan.cli.context import Context
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.kit.version import VERSION


@verb("version", examples=["gavan version", "gavan version --json"])
def command(context: Context) -> Result:
    """Print the versions that a bug report needs."""
    data = {
        "gavan": VERSION,
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
    }
    text = f"gavan {VERSION} (Python {data['python']}, {data['system']})"
    return Result(data=data, text=text if not context.flags.quiet else VERSION)
