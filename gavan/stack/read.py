"""Tables of the stack file to typed values with defaults; every mistake is noted, none stops it.

Stands between source.py and build.py. The only place where defaults are applied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from gavan.kit.nearest import nearest
from gavan.kit.secret import Secret
from gavan.stack.interpolate import Unresolved, is_literal, resolve
from gavan.stack.layers import sounds_secret, typed
from gavan.stack.model import EnvValue, KeyPath
from gavan.stack.schema.key import Key, Kind, Section
from gavan.stack.scope import StackScope
from gavan.stack.source import Report, Source
from gavan.stack.values import PLAIN_READERS, TEXT_READERS, Bad, expected, scalar_text

Values = dict[str, Any]


class Reader:
    """Reads sections of one source; findings go to ``report``."""

    def __init__(
        self, source: Source, scope: StackScope, report: Report, searched: str = ""
    ) -> None:
        self._source = source
        self._scope = scope
        self._report = report
        self._searched = searched
        self._tables: dict[Kind, Callable[[Key, object, KeyPath], object]] = {
            Kind.TEXTS: self._texts,
            Kind.SETTINGS: self._settings,
            Kind.ENV: self._env,
            Kind.CONDITIONS: self._conditions,
            Kind.SECTION: self._nested,
            Kind.SECTIONS: self._nested,
            Kind.TABLES: self._by_name,
            Kind.FREE: self._free,
        }

    def section(self, section: Section, table: Mapping[str, object], path: KeyPath) -> Values:
        """Return a value for every key of the section."""
        self._unknown_keys(section, table, path)
        return {key.name: self._key(section, key, table, path) for key in section.keys}

    def _unknown_keys(self, section: Section, table: Mapping[str, object], path: KeyPath) -> None:
        # A nested table such as [database.seed] is a section of its own.
        nested = ("migrations", "seed") if section.path == ("database",) else ()
        for name in table:
            if name in section.by_name or name in nested or name.startswith("x-"):
                continue
            self.unknown(name, [*section.by_name, *nested], path, section)

    def unknown(
        self, name: str, known: list[str], path: KeyPath, section: Section | None = None
    ) -> None:
        """Note a key that nothing reads: GV101, inside a `set` GV113."""
        place = self._source.key((*path, name))
        code = "GV113" if self._source.is_laid_over((*path, name)) else "GV101"
        inside = f" in [{'.'.join(map(str, path))}]" if path else ""
        message = f'unknown key "{name}"{inside}'
        near = nearest(name, known)
        if near is None or near in self._source.table(path):
            mend = f'"{near}" is there already' if near else f"known here: {', '.join(known)}"
            self._report.add(
                place, code, message, why="nothing reads it", mend=f"remove it; {mend}"
            )
            return
        meaning = section.by_name[near].meaning if section and near in section.by_name else ""
        why = f'nothing reads it; "{near}" is read{": " + meaning if meaning else ""}'
        self._report.rename(place, (code, message, why), (name, near))

    def _key(
        self, section: Section, key: Key, table: Mapping[str, object], path: KeyPath
    ) -> object:
        here = (*path, key.name)
        if key.name not in table:
            if key.required:
                self._report.add(self._source.key(path), "GV103",
                                 f'"{key.name}" is missing in [{section.title}]',
                                 why=key.meaning,
                                 mend=f"add: {key.name} = {key.example}")  # fmt: skip
            return self._value(key, key.default, here)
        try:
            return self._value(key, table[key.name], here)
        except Bad as bad:
            self._report.add(self._source.value(here), bad.code, bad.message,
                             why=bad.why, mend=bad.mend)  # fmt: skip
            return self._value(key, key.default, here)

    def _value(self, key: Key, value: object, path: KeyPath) -> object:
        if value is None:
            return None
        if key.kind in PLAIN_READERS:
            return PLAIN_READERS[key.kind](key, value)
        if key.kind in self._tables:
            return self._tables[key.kind](key, value, path)
        if key.kind is Kind.SIZE and type(value) is int:
            value = str(value)
        if not isinstance(value, str):
            raise expected(key, "text", value, f"{key.name} = {key.example or chr(34) * 2}")
        if key.kind is Kind.SECRET:
            return self._secret(key, value, path)
        return TEXT_READERS[key.kind](key, self._shown(key, value, path))

    def _shown(self, key: Key, text: str, path: KeyPath) -> str:
        """Return text that others will see: in ps, in a generated file, on a screen."""
        _refuse_nul(key.name, text)
        if not key.interpolated:
            return text
        value = self.resolve(text, path)
        if isinstance(value, Secret):
            raise Bad("GV151", f'"{key.name}" would show a secret',
                      "this value is printed and passed on a command line",
                      "give the secret to the app by its env or secrets")  # fmt: skip
        return value

    def resolve(self, text: str, path: KeyPath) -> EnvValue:
        """Return the text with its `${...}` replaced; GV150 when one has no value."""
        try:
            return resolve(text, self._scope)
        except Unresolved as error:
            place = self._source.inside(path, error.text)
            message = f"{error.text}: {error.reason}"
            mend = error.mend or "set it in .env, or give a default: ${NAME:-text}"
            if error.is_unset:
                self._report.unset(place, message, why=f"searched: {self._searched}", mend=mend)
            else:
                self._report.add(place, "GV150", message, why="it has no value", mend=mend)
            return text

    def _secret(self, key: Key, text: str, path: KeyPath) -> Secret:
        has_password = "@" in text and ":" in text.partition("@")[0].partition("//")[2]
        must_not = key.never_written and not self._source.is_elsewhere(path)
        if text and is_literal(text) and (has_password or must_not):
            self._written_secret("_".join(map(str, path[-2:])).upper(), path)
        value = self.resolve(text, path)
        return value if isinstance(value, Secret) else Secret(value)

    def _texts(self, key: Key, value: object, path: KeyPath) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise expected(key, "a list of text", value, f"{key.name} = {key.example or '[]'}")
        texts: list[str] = []
        for index, item in enumerate(value):
            try:
                texts.append(self._item(key, item, (*path, index)))
            except Bad as bad:
                self._report.add(self._source.value((*path, index)), bad.code, bad.message,
                                 why=bad.why, mend=bad.mend)  # fmt: skip
        return tuple(texts)

    def _item(self, key: Key, item: object, path: KeyPath) -> str:
        if not isinstance(item, str):
            raise expected(key, "text in the list", item, f"{key.name} = {key.example or '[]'}")
        text = self._shown(key, item, path)
        one = Key(name=key.name, kind=Kind.TEXT, meaning=key.meaning, choices=key.choices,
                  pattern=key.pattern, example=key.example)  # fmt: skip
        return str(TEXT_READERS[Kind.CHOICE if key.choices else Kind.TEXT](one, text))

    def _settings(self, key: Key, value: object, path: KeyPath) -> dict[str, str]:
        shown: dict[str, str] = {}
        for name, text in self._scalars(key, value, path).items():
            shown[name] = self._shown(key, text, (*path, name))
        return shown

    def _env(self, key: Key, value: object, path: KeyPath) -> dict[str, EnvValue]:
        """Read variables; a layer above the file that sets the same name wins."""
        env: dict[str, EnvValue] = {}
        for name, text in self._scalars(key, value, path).items():
            if sounds_secret(name) and text and is_literal(text):
                self._written_secret(name, (*path, name))
            _refuse_nul(name, text)
            above = self._scope.variable(name)
            env[name] = self.resolve(text, (*path, name)) if above is None else above
            if isinstance(env[name], str):
                env[name] = typed(name, str(env[name]))
        return env

    def _scalars(self, key: Key, value: object, path: KeyPath) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise expected(key, "a table", value, f"{key.name} = {key.example or '{}'}")
        texts: dict[str, str] = {}
        for name, item in value.items():
            text = scalar_text(item)
            if text is None:
                bad = expected(Key(name=name, kind=Kind.TEXT, meaning=key.meaning),
                               "text, a number or a boolean", item, f'{name} = "..."')  # fmt: skip
                self._report.add(self._source.value((*path, name)), bad.code, bad.message,
                                 why=bad.why, mend=bad.mend)  # fmt: skip
                continue
            texts[name] = text
        return texts

    def _conditions(self, key: Key, value: object, path: KeyPath) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise expected(key, "a table", value, f"{key.name} = {key.example}")
        conditions: dict[str, str] = {}
        for name, item in value.items():
            one = Key(name=name, kind=Kind.CHOICE, meaning=key.meaning, choices=key.choices)
            try:
                if not isinstance(item, str):
                    raise expected(one, "text", item, f"{key.name} = {key.example}")
                conditions[name] = str(TEXT_READERS[Kind.CHOICE](one, item))
            except Bad as bad:
                self._report.add(self._source.value((*path, name)), bad.code, bad.message,
                                 why=bad.why, mend=bad.mend)  # fmt: skip
        return conditions

    def _free(self, key: Key, value: object, _path: KeyPath) -> object:
        if not isinstance(value, dict):
            raise expected(key, "a table", value, f"{key.name} = {key.example}")
        return value

    def _nested(self, key: Key, value: object, path: KeyPath) -> object:
        section = key.section
        assert section is not None  # noqa: S101 - declared with the kind
        if key.kind is Kind.SECTION:
            if not isinstance(value, dict):
                raise expected(key, "a table", value, f"{key.name} = {key.example}")
            return self.section(section, value, path)
        if not isinstance(value, list | tuple) or not all(isinstance(v, dict) for v in value):
            raise expected(key, "a list of tables", value, f"{key.name} = {key.example}")
        return [self.section(section, item, (*path, i)) for i, item in enumerate(value)]

    def _by_name(self, key: Key, value: object, path: KeyPath) -> dict[str, Values]:
        section = key.section
        assert section is not None  # noqa: S101 - declared with the kind
        if not isinstance(value, Mapping):
            raise expected(key, "a table", value, f"{key.name} = {key.example}")
        found: dict[str, Values] = {}
        for name, table in value.items():
            if not self._may_stand(key, name, path):
                continue
            one = Key(name=name, kind=Kind.SECTION, meaning=section.meaning, section=section,
                      example=key.example)  # fmt: skip
            try:
                found[name] = cast(Values, self._nested(one, table, (*path, name)))
            except Bad as bad:
                self._report.add(self._source.value((*path, name)), bad.code, bad.message,
                                 why=bad.why, mend=bad.mend)  # fmt: skip
        return found

    def _may_stand(self, key: Key, name: str, path: KeyPath) -> bool:
        """Say whether a table of this name may be there; note it when not."""
        if key.choices:
            if name not in key.choices:
                self.unknown(name, list(key.choices), path)
            return name in key.choices
        if re.fullmatch(key.pattern, name):
            return True
        self._report.add(self._source.key((*path, name)), "GV104", f'"{name}" cannot be a name',
                         why=key.meaning,
                         mend="use letters, digits, - and _, at most 100 of them")  # fmt: skip
        return False

    def _written_secret(self, variable: str, path: KeyPath) -> None:
        place = self._source.key(path)
        # The line is not shown: it holds the secret.
        hidden = type(place)(position=place.position, length=1, source="")
        self._report.add(hidden, "GV151",
                         f'the value of "{path[-1]}" is a secret, written in the file',
                         why="the file is committed, and everyone who reads it has the secret",
                         mend=f"write secret://{variable} and set {variable} in .env")  # fmt: skip


def _refuse_nul(name: str, text: str) -> None:
    if "\0" in text:
        raise Bad("GV102", f'"{name}" holds a NUL character',
                  "no variable, argument or path of the system can hold one",
                  "remove it")  # fmt: skip
