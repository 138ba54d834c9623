"""The file of variables on the host: which names it has, and new ones beside those.

Stands above ssh.py. Names leave the host, values never do; values go there by stdin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gavan.deploy.ssh import Ssh, as_root
from gavan.engines.compose.env_file import render

_NAMES = r"""
file=$1
[ -r "$file" ] || exit 0
stat -c 'mode %a' "$file"
! grep -q "$(printf '\r')\$" "$file" || echo ends crlf
tr -d '\r' < "$file" | sed -n "s/^\(export \)\{0,1\}\([A-Za-z_][A-Za-z0-9_]*\)=..*/name \2/p"
"""
_MEND = r"""
set -e
umask 077
sed 's/\r$//' "$1" > "$1.partial"
chown "$2": "$1.partial"
mv "$1.partial" "$1"
"""
_ADD = r"""
set -e
umask 077
file=$1
new=$file.partial
touch "$new"
[ ! -f "$file" ] || cat "$file" > "$new"
# Editors may leave a last line without an end; what is added would become a part of its value.
[ -z "$(tail -c 1 "$new")" ] || echo >> "$new"
cat >> "$new"
mv "$new" "$file"
"""


def file_of(ssh: Ssh, profile: str) -> str:
    """Return the path of the file on the host."""
    return f"{ssh.host.path}/.env.{profile}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvFile:
    """What may be known of the file here: which names have a value, who can read it (``mode``,
    empty without a file), and whether its lines end as on Windows."""

    names: frozenset[str]
    mode: str
    has_crlf: bool

    @property
    def is_private(self) -> bool:
        return self.mode in ("", "600", "400")


def look_at(ssh: Ssh, profile: str) -> EnvFile:
    """Ask the host about its file."""
    said = ssh.run("sh", "-c", _NAMES, "sh", file_of(ssh, profile))
    rows = [line.split() for line in said.splitlines() if line.strip()]
    return EnvFile(
        names=frozenset(row[1] for row in rows if row[0] == "name"),
        mode=next((row[1] for row in rows if row[0] == "mode"), ""),
        has_crlf=["ends", "crlf"] in rows,
    )


def mend(ssh: Ssh, path: str, owner: str) -> None:
    """Make the file its owner's alone, with the line ends of the server; ``ssh`` is root there."""
    ssh.run(*as_root(ssh, _MEND, path, owner))


def add_values(ssh: Ssh, profile: str, values: Mapping[str, str]) -> None:
    """Append variables; the file is whole at any moment, and its owner's alone."""
    ssh.run("sh", "-c", _ADD, "sh", file_of(ssh, profile), stdin=render(values).encode())
