"""The actions of others that our workflows use, each pinned to the commit of a release.

Stands beside step.py. A tag can be moved to other code by whoever owns it; a commit cannot. The
commits are those that the tags of the releases point to in the repositories of the actions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    name: str
    commit: str
    version: str


CHECKOUT = Action(name="actions/checkout", version="v7.0.1",
                  commit="3d3c42e5aac5ba805825da76410c181273ba90b1")  # fmt: skip
PYTHON = Action(name="actions/setup-python", version="v7.0.0",
                commit="5fda3b95a4ea91299a34e894583c3862153e4b97")  # fmt: skip
NODE = Action(name="actions/setup-node", version="v7.0.0",
              commit="820762786026740c76f36085b0efc47a31fe5020")  # fmt: skip
UPLOAD = Action(name="actions/upload-artifact", version="v7.0.0",
                commit="bbbca2ddaa5d8feaa63e36b76fdaad77386f024f")  # fmt: skip
PINNED = {action.name: action for action in (CHECKOUT, PYTHON, NODE, UPLOAD)}

_USES = re.compile(r"(?m)^(\s*(?:- )?uses: )([\w.-]+/[\w./-]+)@([0-9a-f]{40})$")


def uses(action: Action, **given: object) -> dict[str, object]:
    """Return a step of a workflow; ``given`` are its inputs, ``_`` for their hyphens."""
    step: dict[str, object] = {"uses": f"{action.name}@{action.commit}"}
    inputs = {name.replace("_", "-"): value for name, value in given.items()}
    return {**step, "with": inputs} if inputs else step


def with_versions(text: str) -> str:
    """Return the text of a workflow with the version behind every pinned action."""

    def named(match: re.Match[str]) -> str:
        action = PINNED[match[2]]
        return f"{match[0]} # {action.version}"

    return _USES.sub(named, text)
