"""supabase/config.toml: its section [auth], laid under [core.auth] of the stack file.

Stands between source.py and load.py. Of that file nothing else is read: ports, the database and
the rest are the stack file's. What no key of ours takes is passed over, as is every table with
``enabled = false``, whose secrets nobody has set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gavan.stack import toml
from gavan.stack.model import KeyPath
from gavan.stack.schema.auth import CORE_AUTH
from gavan.stack.schema.key import Key, Kind, Section
from gavan.stack.source import Source

FILE = Path("supabase") / "config.toml"


def lay_under(source: Source, root: Path) -> None:
    """Take what the stack file does not say from the file of the supabase CLI, where it exists.

    Raises:
        StackErrors: the file is no TOML.
    """
    file = root / FILE
    if not file.is_file():
        return
    document = toml.read(file)
    auth = document.values.get("auth")
    if not isinstance(auth, dict):
        return
    table = _known(auth, CORE_AUTH)
    places: dict[KeyPath, KeyPath] = {("core", "auth"): ("auth",)}
    source.lay_under({"core": {"auth": table}}, document, places)
    site_url = auth.get("site_url")
    if isinstance(site_url, str) and not source.table(("sites",)):
        at_site: dict[KeyPath, KeyPath] = {("core", "site_url"): ("auth", "site_url")}
        source.lay_under({"core": {"site_url": site_url}}, document, at_site)


def _known(table: dict[str, Any], section: Section) -> dict[str, Any]:
    """Return what has a key of ours; some files are named from the folder supabase there."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        key = section.by_name.get(name)
        if key is None or (isinstance(value, dict) and value.get("enabled") is False):
            continue
        found[name] = _inner(key, value)
    name = _from_folder(section)
    path = found.get(name)
    if isinstance(path, str) and path and not Path(path).is_absolute():
        found[name] = str(FILE.parent / path)
    return found


def _from_folder(section: Section) -> str:
    """Return the key whose path begins in the folder supabase, empty when none does."""
    if section is CORE_AUTH:
        return "signing_keys_path"
    is_notice = section.path[:4] == ("core", "auth", "email", "notification")
    return "content_path" if is_notice else ""


def _inner(key: Key, value: Any) -> Any:
    section = key.section
    if section is None or not isinstance(value, dict):
        return value
    if key.kind is not Kind.TABLES:
        return _known(value, section)
    return {
        name: _known(table, section)
        for name, table in value.items()
        if name in key.choices and isinstance(table, dict) and table.get("enabled") is not False
    }
