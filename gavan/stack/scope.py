"""What `${...}` can speak of in one stack: variables of the layers, references to its parts.

Stands between layers.py and read.py. References are engine-aware: the embedded engine's units meet
on the loopback address.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from gavan.kit.nearest import nearest
from gavan.kit.secret import Secret
from gavan.stack.interpolate import Unresolved, resolve
from gavan.stack.layers import Layers, typed
from gavan.stack.model import EnvValue
from gavan.stack.schema.key import Section
from gavan.stack.schema.sections import CORE, DATABASE, SITE
from gavan.stack.source import Source

HOST = "127.0.0.1"
DEFAULT_PASSWORD = "postgres"  # noqa: S105 - the supabase CLI's own, for a local stack only


class StackScope:
    """Looks names up while the file is read; a reference may lead to another one."""

    def __init__(self, source: Source, layers: Layers, profile: str) -> None:
        self._source = source
        self._layers = layers
        self._profile = profile
        self._resolving: list[str] = []

    def variable(self, name: str) -> EnvValue | None:
        value = self._layers.get(name)
        return None if value is None else typed(name, value)

    def reference(self, path: str) -> EnvValue:
        if path in self._resolving:
            circle = " -> ".join([*self._resolving[self._resolving.index(path) :], path])
            raise Unresolved(f"${{{path}}}", f"the references form a cycle: {circle}")
        known = self._known()
        if path not in known:
            near = nearest(path, known)
            mend = f"write ${{{near}}}" if near else f"known: {', '.join(sorted(known))}"
            raise Unresolved(f"${{{path}}}", "no such reference", mend)
        self._resolving.append(path)
        try:
            return known[path]()
        finally:
            self._resolving.pop()

    def _known(self) -> dict[str, Callable[[], EnvValue]]:
        known: dict[str, Callable[[], EnvValue]] = {
            "profile": lambda: self._profile,
            "stack.name": self._name,
            "core.url": lambda: self._url(self._port(CORE, "port")),
            "database.url": self._database_url,
        }
        for name in self._source.table(("apps",)):
            known[f"apps.{name}.url"] = lambda name=name: self._app_url(name)  # type: ignore[misc]  # a default argument binds the name
        for name in self._source.table(("sites",)):
            port = self._source.table(("sites", name)).get("dev_port")
            port = port if isinstance(port, int) else SITE.by_name["dev_port"].default
            known[f"sites.{name}.url"] = lambda port=port: self._url(port)  # type: ignore[misc]  # as above
        return known

    def _name(self) -> EnvValue:
        return resolve(str(self._source.table(("stack",)).get("name", "")), self)

    def _app_url(self, name: str) -> EnvValue:
        port = self._source.table(("apps", name)).get("port")
        if not isinstance(port, int):
            raise Unresolved(f"${{apps.{name}.url}}", f"[apps.{name}] has no port", "give it one")
        return self._url(port)

    def _database_url(self) -> EnvValue:
        table = self._source.table(("database",))
        external = table.get("external_url")
        if isinstance(external, str):
            url = resolve(external, self)
            return url if isinstance(url, Secret) else Secret(url)
        password = quote(self._layers.get("POSTGRES_PASSWORD") or DEFAULT_PASSWORD, safe="")
        name = quote(str(table.get("name", DATABASE.by_name["name"].default)), safe="")
        port = self._port(DATABASE, "port")
        return Secret(f"postgresql://postgres:{password}@{HOST}:{port}/{name}")

    def _port(self, section: Section, key: str) -> object:
        written = self._source.table(section.path).get(key)
        return written if isinstance(written, int) else section.by_name[key].default

    def _url(self, port: object) -> str:
        return f"http://{HOST}:{port}"
