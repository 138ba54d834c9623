"""The stack with the ports it really has, which `up --auto-ports` may have chosen.

Stands under the verbs of a local stack and those of its database.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from gavan.cli.context import Context
from gavan.engines.embedded import ports
from gavan.stack.load import load_stack
from gavan.stack.model import Stack


def with_ports(
    context: Context, stack: Stack, chosen: Mapping[str, int]
) -> tuple[Stack, tuple[str, ...]]:
    """Return the stack with other ports, loaded once more so that references follow them."""
    known = ports.wanted_ports(stack)
    overrides = (
        *context.flags.set,
        *ports.as_overrides({k: chosen[k] for k in chosen if k in known}),
    )
    if overrides == context.flags.set:
        return stack, overrides
    flags = context.flags
    again = load_stack(flags.file, profile=flags.profile, environ=os.environ, overrides=overrides)
    return again, overrides
