"""The file of variables on the host: which names it has, and new ones beside those.

Stands above ssh.py. Names leave the host, values never do; values go there by stdin.
"""

from __future__ import annotations

from collections.abc import Mapping

from gavan.deploy.ssh import Ssh
from gavan.engines.compose.env_file import render

_NAMES = r"""
file=$1
[ -r "$file" ] || exit 0
stat -c 'mode %a' "$file"
sed -n "s/^\(export \)\{0,1\}\([A-Za-z_][A-Za-z0-9_]*\)=..*/name \2/p" "$file"
"""
_ADD = r"""
set -e
umask 077
file=$1
new=$file.partial
touch "$new"
[ ! -f "$file" ] || cat "$file" > "$new"
cat >> "$new"
mv "$new" "$file"
"""


def file_of(ssh: Ssh, profile: str) -> str:
    """Return the path of the file on the host."""
    return f"{ssh.host.path}/.env.{profile}"


def read_names(ssh: Ssh, profile: str) -> tuple[set[str], str]:
    """Return the names that have a value there, and the mode of the file, empty without one."""
    said = ssh.run("sh", "-c", _NAMES, "sh", file_of(ssh, profile))
    rows = [line.split() for line in said.splitlines()]
    names = {row[1] for row in rows if row[0] == "name"}
    return names, next((row[1] for row in rows if row[0] == "mode"), "")


def add_values(ssh: Ssh, profile: str, values: Mapping[str, str]) -> None:
    """Append variables; the file is whole at any moment, and its owner's alone."""
    ssh.run("sh", "-c", _ADD, "sh", file_of(ssh, profile), stdin=render(values).encode())
