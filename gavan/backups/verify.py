"""Read every byte of a backup again and say which file is not what it was.

Stands on the manifest: needs no key, for its digests are those of the stored bytes.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from gavan.backups import manifest
from gavan.backups.layout import KEPT, MANIFEST, PLACES, Repository
from gavan.backups.model import Manifest, Report, silent
from gavan.backups.objects import SLICE, chunks, read_list
from gavan.backups.stored import digest
from gavan.kit.errors import GavanError
from gavan.kit.size import in_bytes

TICK_S = 0.25
THREADS = 2
_OWN = {MANIFEST, PLACES, KEPT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A file, by its path from the folder of backups, and what is wrong with it."""

    file: str
    what: str


@dataclass(slots=True)
class Checked:
    """What was read in one go over several backups; shared objects are read once."""

    bytes: int = 0
    objects: dict[str, str | None] = field(default_factory=dict)


def verify(
    repository: Repository,
    backup_id: str,
    report: Report = silent,
    *,
    key: bytes | None = None,
    checked: Checked | None = None,
    with_objects: bool = True,
) -> list[Problem]:
    """Return everything that is wrong with a backup; empty when it is whole.

    Args:
        key: the stack's signing key; then also a manifest is found that somebody rewrote.
        checked: of former calls, so that objects they share are not read again.
        with_objects: read the bytes of objects, too; else the caller proves them.
    """
    folder = repository.folder(backup_id)
    try:
        made = manifest.read(folder)
        if key is not None:
            manifest.check_signature(folder, key)
    except GavanError as error:
        return [Problem(file=f"{backup_id}/{MANIFEST}", what=error.message)]
    verifying = _Verifying(repository, made, report, checked or Checked())
    problems = list(verifying.run(with_objects=with_objects))
    state = "fail" if problems else "ok"
    report(backup_id, state, f"{len(problems)} problems" if problems else verifying.said())
    return problems


class _Verifying:
    def __init__(
        self, repository: Repository, made: Manifest, report: Report, checked: Checked
    ) -> None:
        self._repository = repository
        self._made = made
        self._report = report
        self._checked = checked
        self._began = checked.bytes
        self._told = time.monotonic()

    def run(self, *, with_objects: bool) -> Iterator[Problem]:
        folder = self._repository.folder(self._made.id)
        self._report(self._made.id, "start", "")
        yield from self._strangers(folder)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="verify") as pool:
            files = self._made.files
            wanted = [(folder / file.path, file.bytes, file.sha256) for file in files]
            for file, what in zip(files, pool.map(_wrong, wanted), strict=True):
                self._add(file.bytes)
                if what is not None:
                    yield Problem(file=f"{self._made.id}/{file.path}", what=what)
            if with_objects:
                yield from self._objects(folder, pool)

    def said(self) -> str:
        return f"{in_bytes(self._checked.bytes - self._began)} read"

    def _strangers(self, folder: Path) -> Iterator[Problem]:
        """Name files that the manifest does not: nobody knows what they are."""
        known = {file.path for file in self._made.files} | _OWN
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if not path.is_dir() and name not in known:
                yield Problem(file=f"{self._made.id}/{name}", what="it is not in the manifest")

    def _objects(self, folder: Path, pool: ThreadPoolExecutor) -> Iterator[Problem]:
        try:
            listed = dict(read_list(folder, self._made.files))
        except GavanError as error:
            yield Problem(file=f"{self._made.id}/objects.list.gz", what=error.message)
            return
        new = {sha: size for sha, size in listed.items() if sha not in self._checked.objects}
        wanted = [(self._repository.object_path(sha), size, sha) for sha, size in new.items()]
        found = itertools.chain.from_iterable(pool.map(_all_wrong, chunks(wanted, SLICE)))
        for (sha, size), what in zip(new.items(), found, strict=True):
            self._checked.objects[sha] = what
            self._add(size)
        for sha in listed:
            what = self._checked.objects[sha]
            if what is not None:
                yield Problem(file=f"objects/{sha[:2]}/{sha}", what=what)

    def _add(self, size: int) -> None:
        self._checked.bytes += size
        if time.monotonic() - self._told > TICK_S:
            self._told = time.monotonic()
            self._report(self._made.id, "tick", self.said())


def _all_wrong(wanted: Iterable[tuple[Path, int, str]]) -> list[str | None]:
    return [_wrong(one) for one in wanted]


def _wrong(wanted: tuple[Path, int, str]) -> str | None:
    """Return what is wrong with a file of this size and digest; None when nothing is."""
    path, size, sha256 = wanted
    try:
        found = digest(path)
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if found.bytes != size:
        return f"it has {found.bytes} bytes, {size} were written"
    return None if found.sha256 == sha256 else "its bytes are not those that were written"
