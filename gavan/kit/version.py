"""Version of the tool."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("gavan")
