"""What one image is made of; build.py makes it, plan.py says which ones a stack has.

Stands at the bottom of the images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An image to build.

    Args:
        part: the app, site, ``stack`` or ``gavan`` it is for.
        repository: its name without registry and tag.
        context: the folder that the build sees.
        dockerfile: the text of a generated Dockerfile, or the path of one that a person wrote.
        ignore: what of the context stays out, in the syntax of .dockerignore; None: as the
            context's own .dockerignore says.
        args: build arguments; none of them is secret, every image shows them.
        tag: the only tag it gets; None: those of the commit.
    """

    part: str
    repository: str
    context: Path
    dockerfile: str | Path
    ignore: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    tag: str | None = None
