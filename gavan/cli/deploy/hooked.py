"""A release with the hooks of the stack around it. Stands under deploy and rollback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gavan.cli.context import Context
from gavan.deploy import hooks
from gavan.deploy.ssh import Ssh
from gavan.kit.errors import GavanError

_RESULTS = {8: "rolled_back", 4: "locked"}


@contextmanager
def with_hooks(
    context: Context, ssh: Ssh, plan: dict[str, Any], *, begins: bool = True
) -> Iterator[None]:
    """Run ``pre_deploy`` before the block, ``post_deploy`` after it, ``on_failure`` when it fails.

    Args:
        begins: whether the release begins here; one that is gone on with had its first hook.

    Raises:
        GavanError: GV577 from ``pre_deploy``, before anything is sent; what the block raises. A
            hook that fails afterwards is a warning: it changes nothing of what came of the release.
    """
    stack = context.stack
    known = hooks.variables(stack, plan, host=ssh.host.address)
    if begins and hooks.run(stack, "pre_deploy", known):
        context.progress.report("pre_deploy", "ok", "")
    began = time.monotonic()
    try:
        yield
    except GavanError as error:
        told = {"GAVAN_RESULT": _RESULTS.get(error.exit_code, "failed"),
                "GAVAN_REASON": error.message, "GAVAN_CODE": error.code}  # fmt: skip
        _after(context, "on_failure", {**known, **told, **_seconds(began)})
        raise
    _after(context, "post_deploy", {**known, "GAVAN_RESULT": "released", **_seconds(began)})


def _seconds(began: float) -> dict[str, str]:
    return {"GAVAN_SECONDS": f"{time.monotonic() - began:.1f}"}


def _after(context: Context, name: str, environment: dict[str, str]) -> None:
    try:
        if hooks.run(context.stack, name, environment):
            context.progress.report(name, "ok", "")
    except GavanError as error:
        context.output.warn(f"{error.message}: {error.details or ''}".rstrip(": "))
