"""Files of this machine: found for an upload, and written so that no name leads anywhere else.

Stands under the storage verbs. A download goes into a file beside its target and is renamed when
it is whole; folders are entered one by one without following a link, so that neither the name of an
object nor a link that somebody put there writes outside the folder that was named.
"""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from gavan.cli.storage.address import shown
from gavan.kit.errors import GavanError

CHUNK_BYTES = 256 * 1024
DEFAULT_MIME = "application/octet-stream"
FILE_MODE = 0o666
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
_LEFT_OVER = ".gavan-part-"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A regular file; ``name`` with slashes below the folder that was walked."""

    path: Path
    name: str
    size: int
    modified: float


def walk(root: Path) -> Iterator[LocalFile]:
    """Yield the regular files of a folder, however deep, by name; links are passed over."""
    for entry in _entries(root):
        if entry.is_dir(follow_symlinks=False):
            for file in walk(root / entry.name):
                yield LocalFile(path=file.path, name=f"{entry.name}/{file.name}", size=file.size,
                                modified=file.modified)  # fmt: skip
        elif entry.is_file(follow_symlinks=False) and not entry.name.startswith(_LEFT_OVER):
            yield local_file(root / entry.name)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise unusable(folder, error.strerror or str(error)) from error


def local_file(path: Path) -> LocalFile:
    """Return what is known of a file; raise GavanError GV247 when there is none to read."""
    try:
        facts = path.stat()
    except OSError as error:
        raise unusable(path, error.strerror or str(error)) from error
    if not stat.S_ISREG(facts.st_mode):
        mend = "copy folders with -r" if stat.S_ISDIR(facts.st_mode) else None
        raise unusable(path, "it is no regular file", mend)
    return LocalFile(path=path, name=path.name, size=facts.st_size, modified=facts.st_mtime)


def is_folder(path: Path) -> bool:
    """Say whether a folder is there, behind a link or not."""
    return path.is_dir()


def mime_of(name: str) -> str:
    """Return the type that a name has by its ending."""
    mime, packed = mimetypes.guess_type(name, strict=False)
    return _PACKED.get(packed, DEFAULT_MIME) if packed else mime or DEFAULT_MIME


async def read(
    file: LocalFile, seen: Callable[[int], None], start: int = 0
) -> AsyncIterator[bytes]:
    """Yield the bytes of a file; raise GavanError GV247 when it cannot be read or changes.

    Args:
        seen: told the size of every piece.
        start: byte to begin at.
    """
    left = file.size - start
    try:
        with file.path.open("rb", buffering=0) as stream:
            stream.seek(start)
            while left > 0:
                data = await asyncio.to_thread(stream.read, min(CHUNK_BYTES, left))
                if not data:
                    raise unusable(file.path, "it became shorter while it was read")
                left -= len(data)
                yield data
                seen(len(data))
    except OSError as error:
        raise unusable(file.path, error.strerror or str(error)) from error


def md5_of(path: Path) -> str:
    """Return the MD5 of a file in hex, which is the ETag of an object."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def check_name(name: str) -> tuple[str, ...]:
    """Return the parts of a name; raise GavanError GV249 when no file here can have it."""
    parts = tuple(name.split("/"))
    if any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise GavanError(
            "GV249",
            f"no file can have the name {shown(name)}",
            details="it would lead out of the folder, or be the same file as another name",
            hint="copy it alone, under another name: gavan storage cp ss:///bucket/NAME FILE",
        )
    return parts


def check_text(file: LocalFile) -> None:
    """Raise GavanError GV247 for a file whose name is no text, as old file systems have them."""
    try:
        file.name.encode()
    except UnicodeEncodeError as error:
        raise unusable(file.path, "its name is not UTF-8", "rename it") from error


class Folder:
    """A folder that downloads go into; made when it is not there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def writing(self, name: str, *, overwrite: bool) -> Iterator[Writing]:
        """Give a file for an object; it appears under its name when the block ends without error.

        Raises:
            GavanError: GV249, no file can have the name; GV247, something is in the way.
        """
        *above, last = check_name(name)
        try:
            folder = self._enter(above)
            try:
                _check_target(folder, last, self.root / name, overwrite=overwrite)
                with _partial(folder, last) as writing:
                    yield writing
            finally:
                os.close(folder)
        except OSError as error:
            raise unusable(self.root / name, error.strerror or str(error)) from error

    def make(self, name: str) -> None:
        """Make a folder that has no files."""
        try:
            os.close(self._enter(list(check_name(name))))
        except OSError as error:
            raise unusable(self.root / name, error.strerror or str(error)) from error

    def remove(self, name: str) -> None:
        """Remove a file that `walk` found."""
        *above, last = check_name(name)
        try:
            folder = self._enter(above)
            try:
                os.unlink(last, dir_fd=folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise unusable(self.root / name, error.strerror or str(error)) from error

    def _enter(self, parts: list[str]) -> int:
        """Return a descriptor of a folder below, made with those above it; never over a link."""
        self.root.mkdir(parents=True, exist_ok=True)
        # What the person named may be a link; what lies in it is not followed.
        folder = os.open(self.root, _FOLDER)
        for part in parts:
            try:
                inner = _open_folder(part, folder)
            except NotADirectoryError as error:
                raise unusable(
                    self.root / "/".join(parts), f"{part} is a link or a file"
                ) from error
            finally:
                os.close(folder)
            folder = inner
        return folder


class Writing:
    """A file that is not yet what it is called."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.modified: float | None = None
        """Set to give the file this time when it is whole."""

    def write(self, data: bytes) -> None:
        """Append all of the data."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._fd, left) :]

    def finish(self) -> None:
        """Give the file its time."""
        if self.modified is not None:
            os.utime(self._fd, (self.modified, self.modified))


@contextmanager
def _partial(folder: int, name: str) -> Iterator[Writing]:
    staged = f"{_LEFT_OVER}{uuid4().hex}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(staged, flags, FILE_MODE, dir_fd=folder)
    try:
        try:
            writing = Writing(fd)
            yield writing
            writing.finish()
        finally:
            os.close(fd)
        os.rename(staged, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(staged, dir_fd=folder)
        raise


def _open_folder(name: str, above: int) -> int:
    flags = _FOLDER | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=above)
    except FileNotFoundError:
        # Another job may make it at the same moment.
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=above)
        return os.open(name, flags, dir_fd=above)


def _check_target(folder: int, name: str, shown: Path, *, overwrite: bool) -> None:
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(facts.st_mode):
        raise unusable(shown, "a folder, link or device has this name")
    if not overwrite:
        raise unusable(shown, "it exists already", "replace it: --overwrite")


def unusable(path: Path, why: str, mend: str | None = None) -> GavanError:
    """Return the error of a file that cannot be read or written."""
    return GavanError("GV247", f"{shown(path)} cannot be used", details=why, hint=mend)
