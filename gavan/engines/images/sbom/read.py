"""Packages in the files of an image: lists of Debian and Alpine, metadata of Python and Node.

Stands at the bottom of sbom; reads one stream of `docker export`, needs no program in the image.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import IO, Any
from urllib.parse import quote

_PYTHON = re.compile(r"(.*/)?[^/]+\.dist-info/METADATA")
_NODE = re.compile(r"(.*/)?node_modules/((@[^/]+/)?[^/@][^/]*)/package\.json")
_DEBIAN = "var/lib/dpkg/status"
_ALPINE = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_SYSTEM = ("etc/os-release", "usr/lib/os-release")
_MOST_BYTES = 64 * 2**20
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Package:
    """One package; ``purl`` names it for every tool. ``expression``: by SPDX, else free text."""

    purl: str
    name: str
    version: str
    license: str = ""
    expression: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an image is made of; ``system`` as in ``debian-13``, empty when it has none."""

    system: str
    packages: tuple[Package, ...]


def read_files(stream: IO[bytes]) -> Contents:
    """Return the packages that the files of an image speak of; ``stream`` is a tar of them."""
    system: dict[str, str] = {}
    lists: dict[str, str] = {}
    found: dict[str, Package] = {}
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if not member.isfile() or member.size > _MOST_BYTES:
                continue
            if name in _SYSTEM:
                system |= _os_release(_text(tar, member))
            elif name == _DEBIAN or name in _ALPINE:
                lists[name] = _text(tar, member)
            elif _PYTHON.fullmatch(name):
                _add(found, _python(_text(tar, member)))
            elif _NODE.fullmatch(name):
                _add(found, _node(_text(tar, member)))
    distro = "-".join(filter(None, (system.get("ID"), system.get("VERSION_ID"))))
    for name, text in lists.items():
        _add(found, _debian(text, distro) if name == _DEBIAN else _alpine(text, distro))
    return Contents(system=distro, packages=ordered(found.values()))


def ordered(packages: Iterable[Package]) -> tuple[Package, ...]:
    """Return each package once, in order."""
    found: dict[str, Package] = {}
    _add(found, packages)
    return tuple(sorted(found.values()))


def _add(found: dict[str, Package], packages: Iterable[Package]) -> None:
    for one in packages:
        found.setdefault(one.purl, one)


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member)
    return file.read().decode(errors="replace") if file else ""


def _os_release(text: str) -> dict[str, str]:
    rows = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value.strip("\"'") for name, _, value in rows}


def _debian(text: str, distro: str) -> Iterator[Package]:
    for entry in text.split("\n\n"):
        fields = _fields(entry, ": ")
        if "Package" not in fields or not fields.get("Status", "").endswith(" installed"):
            continue
        name, version = fields["Package"], fields["Version"]
        asked = {"arch": fields.get("Architecture", ""), "distro": distro}
        yield Package(purl=_purl(f"deb/{_vendor(distro)}", name, version, asked),
                      name=name, version=version)  # fmt: skip


def _alpine(text: str, distro: str) -> Iterator[Package]:
    for entry in text.split("\n\n"):
        fields = _fields(entry, ":")
        if "P" not in fields:
            continue
        asked = {"arch": fields.get("A", ""), "distro": distro}
        name, version = fields["P"], fields["V"]
        yield Package(purl=_purl(f"apk/{_vendor(distro)}", name, version, asked),
                      name=name, version=version, license=fields.get("L", ""))  # fmt: skip


def _fields(entry: str, separator: str) -> dict[str, str]:
    rows = (line.partition(separator) for line in entry.splitlines() if line[:1] not in ("", " "))
    return {name: value for name, _, value in rows}


def _vendor(distro: str) -> str:
    return distro.partition("-")[0] or "unknown"


def _python(text: str) -> Iterator[Package]:
    fields = HeaderParser().parsestr(text, headersonly=True)
    name, version = fields.get("Name"), fields.get("Version")
    if not name or not version:
        return
    expression = fields.get("License-Expression", "")
    # Some write the whole text of their licence there.
    told = fields.get("License", "") if "\n" not in fields.get("License", "") else ""
    plain = re.sub(r"[-_.]+", "-", name).lower()
    yield Package(
        purl=_purl("pypi", plain, version), name=name, version=version,
        license=expression or told[:_LONGEST_NAME], expression=bool(expression),
    )  # fmt: skip


def _node(text: str) -> Iterator[Package]:
    try:
        read = json.loads(text)
    except ValueError:
        return
    if isinstance(read, dict):
        yield from node_package(read.get("name"), read.get("version"), read.get("license"))


def node_package(name: object, version: object, told: object) -> Iterator[Package]:
    """Yield a package of npm; nothing for a package.json that is part of one and has no name."""
    if not isinstance(name, str) or not isinstance(version, str):
        return
    scope, _, rest = name.rpartition("/")
    kind = f"npm/{quote(scope, safe='')}" if scope else "npm"
    yield Package(purl=_purl(kind, rest, version), name=name, version=version,
                  license=told[:_LONGEST_NAME] if isinstance(told, str) else "")  # fmt: skip


def read_lock(text: str) -> Iterator[Package]:
    """Yield what a package-lock.json (form 2 or 3) brings into a bundle: all but what only builds
    it."""
    packages: dict[str, dict[str, Any]] = json.loads(text).get("packages", {})
    for path, one in packages.items():
        if path and not one.get("dev") and not one.get("link"):
            name = one.get("name") or path.rpartition("node_modules/")[2]
            yield from node_package(name, one.get("version"), one.get("license"))


def _purl(kind: str, name: str, version: str, asked: dict[str, str] | None = None) -> str:
    """Return a package URL (github.com/package-url/purl-spec)."""
    more = "&".join(f"{key}={quote(text, safe='')}" for key, text in (asked or {}).items() if text)
    base = f"pkg:{kind}/{quote(name, safe='')}@{quote(version, safe=':')}"
    return f"{base}?{more}" if more else base
