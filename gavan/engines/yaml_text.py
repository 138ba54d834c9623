"""YAML as people write it: lists indented, text of several lines as a block, no anchors.

Stands under the engines that generate files.
"""

from __future__ import annotations

from typing import Any

import yaml

WIDTH = 100


def to_yaml(document: object) -> str:
    """Return the text of a document of dicts, lists and scalars; keys keep their order."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
