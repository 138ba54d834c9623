"""What a host is like, and what it lacks to run the stack.

Stands above env_file.py. Looking changes nothing; ``Lack`` says each change before it is made.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gavan.deploy.env_file import read_names
from gavan.deploy.ssh import LONG_S, Ssh

GIBIBYTE = 2**30
SKEW_S = 30
DISK = 4 * GIBIBYTE
_FACTS = r"""
path=$1
echo "os $(. /etc/os-release; echo "$ID $VERSION_ID")"
echo "time $(date +%s)"
echo "python $(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"
echo "docker $(docker version --format '{{.Server.Version}}' 2>/dev/null)"
echo "client $(command -v docker)"
echo "compose $(docker compose version --short 2>/dev/null)"
echo "memory $(awk '/^MemTotal/ {print $2 * 1024}' /proc/meminfo)"
at=$path; while [ ! -d "$at" ]; do at=$(dirname "$at"); done
echo "disk $(df --output=avail -B1 "$at" | tail -1)"
echo "folder $([ -d "$path" ] && [ -w "$path" ] && echo yes)"
echo "root $([ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null && echo yes)"
"""
_INSTALL = r"""
set -e
export DEBIAN_FRONTEND=noninteractive
as=; [ "$(id -u)" = 0 ] || as="sudo -n"
$as apt-get update -qq
compose=docker-compose
apt-cache show docker-compose-v2 >/dev/null 2>&1 && compose=docker-compose-v2
$as apt-get install -y -qq --no-install-recommends python3 docker.io docker-cli $compose \
  || $as apt-get install -y -qq --no-install-recommends python3 docker.io $compose
$as systemctl enable --now docker
[ "$(id -u)" = 0 ] || $as usermod -aG docker "$(id -un)"
"""
_FOLDER = r"""
set -e
as=; [ "$(id -u)" = 0 ] || as="sudo -n"
$as install -d -m 0755 -o "$(id -u)" -g "$(id -g)" "$1" "$1/releases" "$1/slots"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A host as it is now; ``names`` are the variables that its env file has."""

    values: Mapping[str, str]
    names: frozenset[str]
    mode: str
    skew_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a deploy would stumble over; ``mend`` is a command."""

    what: str
    mend: str


def look(ssh: Ssh, profile: str) -> Facts:
    """Ask the host; raises GavanError GV531 when it cannot be reached."""
    said = ssh.run("sh", "-c", _FACTS, "sh", ssh.host.path)
    values = dict(line.partition(" ")[::2] for line in said.splitlines())
    names, mode = read_names(ssh, profile)
    skew = abs(float(values.get("time") or 0) - time.time())
    return Facts(values=values, names=frozenset(names), mode=mode, skew_s=skew)


def findings(facts: Facts, wanted: Mapping[str, bool], memory: int) -> Iterator[Finding]:
    """Yield what keeps the host from running the stack; ``wanted`` names and whether they must."""
    bootstrap = "gavan hosts bootstrap"
    values = facts.values
    if not values["python"]:
        yield Finding(what="python3 is not installed", mend=bootstrap)
    if not values["docker"]:
        why = "is installed, but not for this user" if values["client"] else "is not installed"
        yield Finding(what=f"Docker {why}", mend=bootstrap)
    elif not values["compose"].removeprefix("v").startswith(("2", "3", "4", "5")):
        yield Finding(what=f"docker compose is {values['compose'] or 'missing'}, 2 is needed",
                      mend="https://docs.docker.com/engine/install/ for this system")  # fmt: skip
    if not values["folder"]:
        yield Finding(what="the folder of the stack is not there, or not writable", mend=bootstrap)
    missing = sorted(name for name, must in wanted.items() if must and name not in facts.names)
    if missing:
        yield Finding(what=f"without a value: {', '.join(missing)}",
                      mend=f"{bootstrap}, or gavan hosts set NAME")  # fmt: skip
    if facts.mode not in ("", "600", "400"):
        yield Finding(what=f"others can read the variables (mode {facts.mode})", mend="chmod 600")
    if facts.skew_s > SKEW_S:
        yield Finding(what=f"its clock is {facts.skew_s:.0f} s off", mend="install an NTP client")
    if int(values["disk"] or 0) < DISK:
        yield Finding(what=f"only {int(values['disk'] or 0) / GIBIBYTE:.1f} GiB of disk are free",
                      mend="free some: docker image prune")  # fmt: skip
    if int(float(values["memory"] or 0)) < memory:
        yield Finding(what="it has less memory than [deploy] memory says", mend="see gavan.toml")


def needs_docker(facts: Facts) -> bool:
    return not (facts.values["docker"] and facts.values["compose"] and facts.values["python"])


def install_docker(ssh: Ssh) -> None:
    """Install Docker and Compose from the packages of the system; raises GV532."""
    ssh.run("sh", "-c", _INSTALL, deadline_s=LONG_S)


def make_folder(ssh: Ssh) -> None:
    """Make the folders of the stack, owned by who logs in."""
    ssh.run("sh", "-c", _FOLDER, "sh", ssh.host.path)
