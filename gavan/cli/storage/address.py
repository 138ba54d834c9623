"""Names of objects on the command line, as the supabase CLI writes them: ``ss:///bucket/path``.

Stands under the storage verbs; pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from gavan.kit.errors import GavanError

_SCHEME = re.compile(r"ss:(?://)?(/?)", re.IGNORECASE)
FORM = "ss:///bucket/path"


def shown(name: object) -> str:
    """Return a name that can be printed: what is no character, or steers a terminal, is escaped."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in str(name)
    )


@dataclass(frozen=True, slots=True)
class Remote:
    """A bucket and a path in it; both may be empty."""

    bucket: str
    path: str

    def __str__(self) -> str:
        return f"ss:///{shown(self.bucket)}/{shown(self.path)}" if self.bucket else "ss:///"

    @property
    def is_folder(self) -> bool:
        """True for a bucket and for what ends in a slash."""
        return not self.path or self.path.endswith("/")

    @property
    def name(self) -> str:
        """The last part of the path, or the bucket."""
        return self.path.rstrip("/").rpartition("/")[2] or self.bucket

    @property
    def as_folder(self) -> Remote:
        """The same with a slash behind its path; a bucket stays."""
        return self if self.is_folder else Remote(self.bucket, f"{self.path}/")

    def below(self, name: str) -> Remote:
        """Return what has this name in here."""
        return Remote(self.bucket, f"{self.as_folder.path}{name}")


def parse(text: str) -> Remote | Path:
    """Return an address, or the path of a file here; raise GavanError GV246 for neither."""
    match = _SCHEME.match(text)
    if match is None:
        return Path(text)
    if not match[1]:
        raise _malformed(text, "a server has no place in it")
    # As in the supabase CLI escapes are read; no name can have a % of its own.
    bucket, _, path = unquote(text[match.end() :]).partition("/")
    if not bucket and path:
        raise _malformed(text, "the bucket is missing")
    return Remote(bucket, path)


def parse_remote(text: str, *, needs_path: bool = False) -> Remote:
    """Return an address; raise GavanError GV246 for anything else.

    Args:
        needs_path: a bucket alone is not enough.
    """
    found = parse(text)
    if isinstance(found, Path):
        raise _malformed(text, "it is a path of this machine")
    if needs_path and not found.path:
        raise _malformed(text, "it names no object")
    return found


def _malformed(text: str, why: str) -> GavanError:
    return GavanError(
        "GV246",
        f"{text} is no address of an object",
        details=why,
        hint=f"write it like {FORM}, with three slashes",
        exit_code=2,
    )
