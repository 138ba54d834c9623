"""A server over OpenSSH's own programs: the user's configuration, agent and keys apply.

Stands at the bottom of deploy. Commands are lists of words, quoted in one place; every connection
has a deadline, since one made just before a power cut would wait for ever.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gavan.kit.errors import GavanError
from gavan.stack.model import DeployHost

CONNECT_S = 10
ALIVE_S = 5
SHORT_S = 60.0
LONG_S = 1800.0
MARK = b"gavan-begins-here\n"
"""Said there before a command: what a shell says at its beginning is no answer of the command"""
LOST = 255
"""What ssh ends with when it is the connection that failed"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssh:
    """A host of the stack; ``state_dir`` is where the file with its pinned key is written."""

    host: DeployHost
    state_dir: Path
    options: tuple[str, ...] = ()
    """Further options of ssh, such as ``ControlPath=none``; they win."""

    def argv(self, words: Sequence[str]) -> list[str]:
        """Return the command line that runs ``words`` there."""
        path = shutil.which("ssh")
        if path is None:
            raise GavanError("GV530", "the ssh command is not installed", exit_code=7,
                             hint="apt-get install openssh-client")  # fmt: skip
        host = self.host
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": str(CONNECT_S),
            "ServerAliveInterval": str(ALIVE_S),
            "ServerAliveCountMax": "3",
            "StrictHostKeyChecking": "yes",
            "ForwardAgent": "no",
            # What a person wants of a host is in the way of a command.
            "ClearAllForwardings": "yes",
            "RemoteCommand": "none",
            "RequestTTY": "no",
            "Port": str(host.port),
            **({"ProxyJump": host.jump} if host.jump else {}),
            **(self._pinned() if host.host_key else {}),
        }
        texts = [*self.options, *(f"{name}={value}" for name, value in options.items())]
        told = [word for text in texts for word in ("-o", text)]
        command = f"echo {MARK.decode().strip()}; {shlex.join(words)}"
        return [path, *told, f"{host.user}@{host.address}", "--", command]

    def _pinned(self) -> dict[str, str]:
        """Return the options that let this key in and no other."""
        alias = f"gavan-{self.host.name}"
        file = self.state_dir / f"{alias}.known_hosts"
        text = f"{alias} {self.host.host_key}\n"
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return {"HostKeyAlias": alias, "UserKnownHostsFile": str(file),
                "GlobalKnownHostsFile": "/dev/null"}  # fmt: skip

    def run(self, *words: str, stdin: bytes | None = None, deadline_s: float = SHORT_S) -> str:
        """Run a command there and return what it printed.

        Raises:
            GavanError: GV531 the host cannot be reached (exit 3), GV532 the command failed there.
        """
        done = self.attempt(*words, stdin=stdin, deadline_s=deadline_s)
        if done.returncode != 0:
            raise self.failure(words, done.stderr or done.stdout)
        return done.stdout

    def address(self) -> str:
        """Return the name or address that ssh connects to, empty when that is through another.

        The address in the stack file may be a Host of the user's own configuration.
        """
        argv = self.argv([])
        done = subprocess.run([argv[0], "-G", *argv[1:-2]], stdin=subprocess.DEVNULL,
                              capture_output=True, check=False, timeout=SHORT_S)  # fmt: skip
        rows = (line.partition(" ") for line in _text(done.stdout).splitlines())
        said = {name: value for name, _, value in rows}
        through = said.get("proxyjump", "none") != "none" or "proxycommand" in said
        return "" if through else said.get("hostname", "")

    def say_hello(self) -> str:
        """Connect, and return what ssh says to that; nothing is run there."""
        done = subprocess.run(self.argv(["true"]), stdin=subprocess.DEVNULL, capture_output=True,
                              check=False, timeout=SHORT_S)  # fmt: skip
        return _text(done.stderr)

    def attempt(
        self, *words: str, stdin: bytes | None = None, deadline_s: float = SHORT_S
    ) -> subprocess.CompletedProcess[str]:
        """As ``run``, but a command that fails there is an answer; raises GV531 only."""
        try:
            done = subprocess.run(self.argv(words), input=stdin or b"", capture_output=True,
                                  check=False, timeout=deadline_s)  # fmt: skip
        except subprocess.TimeoutExpired as late:
            raise self.unreachable(f"no answer within {deadline_s:g} s") from late
        said = subprocess.CompletedProcess(
            done.args, done.returncode, _text(_answer(done.stdout)), _text(done.stderr)
        )
        if done.returncode == LOST:
            raise self.unreachable(said.stderr)
        return said

    def unreachable(self, why: str) -> GavanError:
        """Return the error of a connection that does not come about."""
        host = self.host
        hint = f"try it: ssh {host.user}@{host.address}"
        if "ost key" in why:
            hint = f"learn its key and pin it: gavan hosts pin --host {host.name}"
        elif "ermission denied" in why:
            hint = "the first time, as who may log in there: gavan hosts bootstrap --as root"
        return GavanError(
            "GV531", f"{host.name} ({host.user}@{host.address}) cannot be reached",
            details=why.strip()[-2000:] or None,
            hint=hint,
            exit_code=3,
        )  # fmt: skip

    def failure(self, words: Sequence[str], output: str) -> GavanError:
        """Return the error of a command that failed there."""
        return GavanError("GV532", f"{words[0]} failed on {self.host.name}",
                          details=output.strip()[-4000:] or None)  # fmt: skip


def as_root(ssh: Ssh, script: str, *words: str) -> list[str]:
    """Return the command that runs a script as root, itself or by sudo without a password."""
    lead = [] if ssh.host.user == "root" else ["sudo", "-n"]
    return [*lead, "sh", "-c", script, "sh", *words]


def _answer(raw: bytes) -> bytes:
    before, mark, after = raw.partition(MARK)
    return after if mark else before


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
