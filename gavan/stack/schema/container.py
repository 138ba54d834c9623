"""What the engines with containers want to know of a part: its image and what it may take.

Stands beside sections.py; the same four keys wherever something becomes a container.
"""

from __future__ import annotations

from gavan.stack.schema.key import Key, Kind

CPUS = r"\d{1,3}(\.\d{1,3})?"


def image_keys(*, what: str) -> tuple[Key, ...]:
    """Return the keys that say where the image of ``what`` comes from."""
    return (
        Key(name="image", kind=Kind.TEXT, example='"ghcr.io/acme/reports:2.1"',
            meaning=f"Image of {what} in containers, made elsewhere; default: built from dir."),
        Key(name="dockerfile", kind=Kind.TEXT, example='"Dockerfile"',
            meaning="In dir; default: Dockerfile if it is there, else one is made up."),
    )  # fmt: skip


def limit_keys(*, memory: str, cpus: str) -> tuple[Key, ...]:
    """Return the keys of the limits of a container, with their defaults."""
    return (
        Key(name="memory", kind=Kind.SIZE, default=memory, example=f'"{memory}"',
            meaning="Most memory of its container."),
        Key(name="cpus", kind=Kind.TEXT, default=cpus, pattern=CPUS, example=f'"{cpus}"',
            meaning="Most processors of its container, 1 being a whole one."),
    )  # fmt: skip
