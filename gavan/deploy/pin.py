"""The key of a server: learned once, shown to a person, then written into the stack file.

Stands above ssh.py. Nothing else ever takes a key that it does not know.
"""

from __future__ import annotations

import base64
import hashlib
import re
import tempfile
from dataclasses import replace
from pathlib import Path

from gavan.deploy.ssh import Ssh
from gavan.stack.model import Position

KINDS = "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512"
_ADDRESS = re.compile(r"(?P<indent>\s*)address\s*=")


def learn(ssh: Ssh) -> str:
    """Return the key that the server shows now, ``ssh-ed25519 AAAA...``; nobody logs in.

    Raises:
        GavanError: GV531 when it shows none.
    """
    with tempfile.TemporaryDirectory(prefix="gavan-") as folder:
        file = Path(folder) / "known_hosts"
        asking = replace(ssh, host=replace(ssh.host, host_key=""), options=(
            "StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={file}",
            "GlobalKnownHostsFile=/dev/null", f"HostKeyAlgorithms={KINDS}", "HashKnownHosts=no",
            "ControlPath=none", "PreferredAuthentications=none", "LogLevel=ERROR",
        ))  # fmt: skip
        why = asking.say_hello()
        text = file.read_text(encoding="utf-8") if file.exists() else ""
    fields = text.split()
    if len(fields) < 3:
        raise ssh.unreachable(why)
    return f"{fields[1]} {fields[2]}"


def fingerprint(key: str) -> str:
    """Return a key as ``ssh-keygen -l`` shows it."""
    raw = base64.b64decode(key.split()[1])
    return f"SHA256:{base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip('=')}"


def with_key(text: str, address: Position | None, key: str) -> str | None:
    """Return the stack file with the key below the address of its host; None when the address has
    no line of its own there."""
    lines = text.splitlines(keepends=True)
    line = lines[address.line - 1] if address else ""
    found = _ADDRESS.match(line)
    if address is None or found is None:
        return None
    end = "\r\n" if line.endswith("\r\n") else "\n"
    lines[address.line - 1] = line.rstrip("\r\n") + end
    lines.insert(address.line, f'{found["indent"]}host_key = "{key}"{end}')
    return "".join(lines)
