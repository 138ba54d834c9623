"""Names in paths: whatever was sent, line ends included.

Starlette's own ``path`` stops at the end of a line, so that a name with one would be another name,
or none (404); here the rooms see all of it, and refuse it as upstream does.
"""

from __future__ import annotations

from starlette.convertors import PathConvertor, register_url_convertor


class AnyConvertor(PathConvertor):
    """Everything that is left of a path."""

    regex = "(?s:.*)"


register_url_convertor("any", AnyConvertor())
OBJECT = "{bucket}/{name:any}"
"""Where a route names an object"""
REST = "{place:any}"
