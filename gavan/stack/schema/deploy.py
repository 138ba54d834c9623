"""The section [deploy]: where images go and how a release reaches its hosts.

Stands beside sections.py.
"""

from __future__ import annotations

from gavan.stack.schema.key import Key, Kind, Section

_IMAGE = r"[a-z0-9.-]+(:\d{1,5})?(/[a-z0-9._-]+)*"

DEPLOY = Section(
    path=("deploy",),
    meaning="Images and releases.",
    keys=(
        Key(name="registry", kind=Kind.TEXT, default="", pattern=f"({_IMAGE})?",
            example='"ghcr.io/acme"',
            meaning="Where images are pushed to, without the name of the image; empty: they stay "
            "on this machine."),
        Key(name="memory", kind=Kind.SIZE, default="3686MiB", example='"3686MiB"',
            meaning="What the server gives to all containers together."),
        Key(name="build_args", kind=Kind.SETTINGS, default={},
            example='{ PYTHON_IMAGE = "python:3.13-slim" }',
            meaning="Arguments of every build, the base images among them: PYTHON_IMAGE, "
            "NODE_IMAGE, CADDY_IMAGE."),
    ),
)  # fmt: skip
