"""Where the engine keeps its files: the folders of `.gavan/` and socket paths short enough.

Stands below everything in this engine that touches a file.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from gavan.kit.errors import GavanError

# sockaddr_un holds 108 bytes on Linux, 104 on other systems, the ending zero included.
SOCKET_PATH_BYTES = 100
# Postgres may be another user, whose socket lies below `run`: that one can be walked through.
FOLDERS = {"run": 0o711, "logs": 0o700, "cache": 0o700}


def run_dir(state_dir: Path) -> Path:
    return state_dir / "run"


def logs_dir(state_dir: Path) -> Path:
    return state_dir / "logs"


def make_state_dir(state_dir: Path) -> None:
    """Make `.gavan/` with its folders, ignored by git.

    The folder itself can be entered by others, because Postgres may run as another user below
    it; what is secret lies in folders of mode 0700.
    """
    try:
        state_dir.mkdir(mode=0o711, exist_ok=True)
        for name, mode in FOLDERS.items():
            (state_dir / name).mkdir(mode=mode, exist_ok=True)
        ignore = state_dir / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise GavanError(
            "GV228",
            f"the state folder {state_dir} cannot be made: {error.strerror}",
            hint="run gavan as the user who owns the project directory",
        ) from error


def control_socket(state_dir: Path) -> Path:
    """Return the control socket's path, in a short folder of the user's when the road is long."""
    path = run_dir(state_dir) / "control.sock"
    if len(os.fsencode(path)) < SOCKET_PATH_BYTES:
        return path
    return short_dir(state_dir) / "control.sock"


def short_dir(state_dir: Path) -> Path:
    """Return a private folder with a short path that stands for this stack's run folder.

    Raises GavanError GV229 when the folder exists and is not the user's own.
    """
    base = os.environ.get("XDG_RUNTIME_DIR") or "/tmp"  # noqa: S108 - mode and owner are checked below
    digest = hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:12]
    folder = Path(base) / f"gavan-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if facts.st_uid != os.getuid() or facts.st_mode & 0o077 or folder.is_symlink():
        raise GavanError(
            "GV229",
            f"{folder} is not a private folder of this user",
            hint=f"remove it: rm -r {folder}",
            exit_code=4,
        )
    link = run_dir(state_dir) / "short"
    if run_dir(state_dir).is_dir() and not link.is_symlink():
        link.symlink_to(folder)
    return folder
