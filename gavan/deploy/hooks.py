"""[deploy] hooks: commands of the team's own around a release, run where it is begun.

Stands beside plan.py. A hook runs as the invoking user in the root of the stack, as words without a
shell; what it is about is in its environment, see ``variables``.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

from gavan.kit.errors import GavanError
from gavan.stack.model import Stack

LONGEST_S = 600.0
LAST = 2000


def variables(stack: Stack, plan: Mapping[str, Any], **more: str) -> dict[str, str]:
    """Return what a hook finds in its environment besides that of the verb."""
    told = {
        "stack": stack.name,
        "profile": stack.profile.name,
        "verb": plan.get("action", "build"),
        "tag": plan.get("tag", ""),
        "release": plan.get("id", ""),
        "commit": plan.get("commit", ""),
        "by": plan.get("by", ""),
        **more,
    }
    return {f"GAVAN_{name.upper()}": str(value) for name, value in told.items()}


def run(stack: Stack, name: str, environment: Mapping[str, str]) -> bool:
    """Run a hook and return whether there is one.

    Args:
        name: ``pre_build``, ``pre_deploy``, ``post_deploy`` or ``on_failure``.

    Raises:
        GavanError: GV577 when it fails or does not end within ten minutes.
    """
    command = stack.deploy.hooks[name]
    if not command:
        return False
    try:
        done = subprocess.run(
            shlex.split(command), cwd=stack.root, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace", check=False,
            timeout=LONGEST_S, env={**os.environ, **environment, "GAVAN_HOOK": name},
        )  # fmt: skip
        why = f"exit {done.returncode}" if done.returncode else ""
        said = done.stdout
    except subprocess.TimeoutExpired:
        why, said = f"no end within {LONGEST_S:g} s", ""
    except (OSError, ValueError) as error:
        why, said = f"it cannot be run: {error}", ""
    if why:
        raise GavanError(
            "GV577", f"the hook {name} failed: {why}", details=said.strip()[-LAST:] or None,
            hint=f"run it by hand: {command}",
        )  # fmt: skip
    return True
