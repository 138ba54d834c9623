"""supabase/config.toml: its [auth] and [storage], laid under [core.auth] and [core.storage].

Stands between source.py and load.py. Of that file nothing else is read: ports, the database and
the rest are the stack file's. What no key of ours takes is passed over, as is every table of [auth]
with ``enabled = false``, whose secrets nobody has set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gavan.stack import toml
from gavan.stack.model import KeyPath
from gavan.stack.schema.auth import CORE_AUTH
from gavan.stack.schema.key import Key, Kind, Section
from gavan.stack.schema.sections import CORE
from gavan.stack.schema.storage import BUCKET, CORE_STORAGE
from gavan.stack.source import Source
from gavan.stack.toml import Document

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
    auth, storage = document.values.get("auth"), document.values.get("storage")
    if isinstance(auth, dict):
        _lay_auth(auth, source, document)
    if isinstance(storage, dict):
        _lay_storage(storage, source, document)


def _lay_auth(auth: dict[str, Any], source: Source, document: Document) -> None:
    places: dict[KeyPath, KeyPath] = {("core", "auth"): ("auth",)}
    source.lay_under({"core": {"auth": _known(auth, CORE_AUTH)}}, document, places)
    site_url = auth.get("site_url")
    if isinstance(site_url, str) and not source.table(("sites",)):
        at_site: dict[KeyPath, KeyPath] = {("core", "site_url"): ("auth", "site_url")}
        source.lay_under({"core": {"site_url": site_url}}, document, at_site)


def _lay_storage(storage: dict[str, Any], source: Source, document: Document) -> None:
    if storage.get("enabled") is False:
        kept = [name for name in CORE.by_name["services"].choices if name != "storage"]
        at_services: dict[KeyPath, KeyPath] = {("core", "services"): ("storage", "enabled")}
        source.lay_under({"core": {"services": kept}}, document, at_services)
        return
    places: dict[KeyPath, KeyPath] = {("core", "storage"): ("storage",)}
    source.lay_under({"core": {"storage": _known(storage, CORE_STORAGE)}}, document, places)


def _known(table: dict[str, Any], section: Section) -> dict[str, Any]:
    """Return what has a key of ours; some files are named from the folder supabase there."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        key = section.by_name.get(name)
        if key is None or _is_off(section, value):
            continue
        found[name] = _inner(key, value)
    name = _from_folder(section)
    path = found.get(name)
    if isinstance(path, str) and path and not Path(path).is_absolute():
        found[name] = str(FILE.parent / path)
    return found


def _is_off(section: Section, value: Any) -> bool:
    """Say whether a table is switched off; the switches of storage are on unless they say so."""
    is_auth = section.path[:2] == CORE_AUTH.path
    return is_auth and isinstance(value, dict) and value.get("enabled") is False


def _from_folder(section: Section) -> str:
    """Return the key whose path begins in the folder supabase, empty when none does."""
    if section is CORE_AUTH:
        return "signing_keys_path"
    if section is BUCKET:
        return "objects_path"
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
        if (name in key.choices or not key.choices)
        and isinstance(table, dict)
        and not _is_off(section, table)
    }
