"""What a host is like, and what it lacks to run the stack. Stands above env_file.py.

Looking changes nothing. ``findings`` keep a release from being brought there, ``remarks`` do not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gavan.deploy.env_file import EnvFile, look_at
from gavan.deploy.firewall import FILE, OTHERS, TABLE, UNIT
from gavan.deploy.ssh import Ssh

GIBIBYTE = 2**30
SKEW_S = 30
DISK = 4 * GIBIBYTE
PROGRAMS = {"client": "Docker", "compose": "Compose", "python": "Python", "nft": "nftables",
            "unattended": "unattended-upgrades"}  # fmt: skip
"""What has to be installed, by the fact that says so: Docker may be there and closed to a user who
is not in its group yet."""
_FACTS = r"""
path=$1 user=$2 unit=$3 rules=$4 table=$5
shift 5
export LC_ALL=C
me=$(id -un)
PATH=$PATH:/usr/sbin:/sbin
as_root() { if [ "$me" = root ]; then "$@"; else sudo -n "$@" 2>/dev/null; fi; }
# What the user of the releases may do is asked as that user, whoever looks.
as_user() {
  [ -n "$known" ] || return 1
  if [ "$me" = "$user" ]; then "$@"; else as_root runuser -u "$user" -- "$@"; fi
}
known=$(id -u "$user" 2>/dev/null)
echo "me $me"
echo "user $known"
echo "os $(. /etc/os-release; echo "$ID $VERSION_ID")"
echo "time $(date +%s)"
echo "python $(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"
echo "docker $(as_user docker version --format '{{.Server.Version}}' 2>/dev/null)"
echo "client $(command -v docker)"
echo "snap $(readlink -f "$(command -v docker)" 2>/dev/null | grep /snap)"
echo "compose $(docker compose version --short 2>/dev/null)"
echo "nft $(command -v nft)"
echo "unattended $(command -v unattended-upgrade)"
echo "upgrades $(apt-config dump APT::Periodic::Unattended-Upgrade 2>/dev/null | cut -d'"' -f2)"
echo "memory $(awk '/^MemTotal/ {print $2 * 1024}' /proc/meminfo)"
at=$path; while [ ! -d "$at" ]; do at=$(dirname "$at"); done
echo "disk $(df --output=avail -B1 "$at" | tail -1)"
echo "folder $(as_user test -w "$path" && echo yes)"
root=$(as_root true && echo yes)
echo "root $root"
firewall=$(systemctl is-active "$unit")
# Somebody may have flushed every rule since; only root can see that.
[ -z "$root" ] || as_root nft list table inet "$table" >/dev/null 2>&1 || firewall=gone
echo "firewall $firewall"
echo "nftables $(systemctl is-active nftables)"
for other in "$@"; do
  [ "$(systemctl is-active "$other")" = active ] || continue
  # Ubuntu starts this one everywhere, also where nobody switched it on.
  [ "$other" != ufw ] || grep -qis '^ENABLED="\{0,1\}yes' /etc/ufw/ufw.conf || continue
  echo "other $other"
done
echo "ipv4 $(ip -4 route show default 2>/dev/null | head -n 1)"
echo "ipv6 $(ip -6 route show default 2>/dev/null | head -n 1)"
echo "came $(echo "$SSH_CONNECTION" | cut -d' ' -f4)"
as_root sshd -T 2>/dev/null | sed -n 's/^port /came /p'
ss -H -ltun 2>/dev/null | awk '{print "listens", $1, $5}'
docker ps --format '{{.Label "com.docker.compose.service"}}:{{.Names}} {{.Ports}}' 2>/dev/null |
  sed 's/^/runs /'
[ ! -r "$rules" ] || sed 's/^/rule /' "$rules"
"""
_LOOPBACK = ("127.", "[::1]", "::1", "[::ffff:127.")
_PROXY = "proxy:"
_MANY = ("rule", "listens", "runs", "came", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A host as it is now."""

    values: Mapping[str, str]
    many: Mapping[str, tuple[str, ...]]
    """What the host has several of: lines by their first word."""
    env: EnvFile
    skew_s: float

    @property
    def lacks(self) -> list[str]:
        """The programs that are not installed."""
        return [name for fact, name in PROGRAMS.items() if not self.values[fact]]

    @property
    def has_snap(self) -> bool:
        return bool(self.values["snap"])

    @property
    def other_firewall(self) -> str:
        return " and ".join(self.many["other"])

    @property
    def ssh_ports(self) -> list[str]:
        """Ports that SSH came in by, and those it is served on."""
        return sorted({port for port in self.many["came"] if port.isdigit()})

    @property
    def rules(self) -> str:
        """The file of our firewall, empty while it does not stand."""
        if self.values["firewall"] != "active":
            return ""
        return "".join(f"{line}\n" for line in self.many["rule"])

    @property
    def open_doors(self) -> list[str]:
        """What that file says is open."""
        lines = [line for line in self.many["rule"] if line.startswith("# open: ")]
        return lines[0].split()[2:] if lines else []

    @property
    def listening(self) -> list[str]:
        """Ports that anything listens on for others than this host itself: ``5432/tcp``."""
        found = []
        for line in self.many["listens"]:
            protocol, _, address = line.partition(" ")
            host, _, port = address.rpartition(":")
            if not host.startswith(_LOOPBACK) and port.isdigit():
                found.append(f"{port}/{protocol}")
        return sorted(set(found))

    @property
    def published(self) -> list[str]:
        """Containers other than the proxy that Docker opens a port of to the outside."""
        found = []
        for line in self.many["runs"]:
            name, _, ports = line.partition(" ")
            outside = [one.strip() for one in ports.split(",") if "->" in one]
            outside = [one for one in outside if not one.startswith(_LOOPBACK)]
            if outside and not name.startswith(_PROXY):
                found.append(f"{name.partition(':')[2]} ({', '.join(outside)})")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a deploy would stumble over, or that a person should know; ``mend`` is a
    command."""

    what: str
    mend: str


SNAP = Finding(
    what="Docker is a snap, which reads no file of a stack",
    mend="on the server: snap remove docker, which takes its containers and volumes along; then "
    "gavan hosts bootstrap",
)


def look(ssh: Ssh, profile: str, user: str = "") -> Facts:
    """Ask the host, also what ``user`` may do there (default: who logs in).

    Raises:
        GavanError: GV531 when it cannot be reached.
    """
    words = (ssh.host.path, user or ssh.host.user, UNIT, FILE, TABLE, *OTHERS)
    said = ssh.run("sh", "-c", _FACTS, "sh", *words)
    rows = [line.partition(" ")[::2] for line in said.splitlines()]
    values = {name: text for name, text in rows if name not in _MANY}
    many = {one: tuple(text for name, text in rows if name == one) for one in _MANY}
    skew = abs(float(values.get("time") or 0) - time.time())
    return Facts(values=values, many=many, env=look_at(ssh, profile), skew_s=skew)


def findings(facts: Facts, wanted: Mapping[str, bool], memory: int) -> Iterator[Finding]:
    """Yield what keeps the host from running the stack; ``wanted`` names and whether they must."""
    bootstrap = "gavan hosts bootstrap"
    values = facts.values
    if not values["python"]:
        yield Finding(what="python3 is not installed", mend=bootstrap)
    if facts.has_snap:
        yield SNAP
    elif not values["docker"]:
        why = "is installed, but not for this user" if values["client"] else "is not installed"
        yield Finding(what=f"Docker {why}", mend=bootstrap)
    elif not values["compose"].removeprefix("v").startswith(("2", "3", "4", "5")):
        yield Finding(what=f"docker compose is {values['compose'] or 'missing'}, 2 is needed",
                      mend="https://docs.docker.com/engine/install/ for this system")  # fmt: skip
    if not values["folder"]:
        yield Finding(what="the folder of the stack is not there, or not writable", mend=bootstrap)
    yield from _of_env(facts.env, wanted)
    if facts.skew_s > SKEW_S:
        yield Finding(what=f"its clock is {facts.skew_s:.0f} s off", mend="install an NTP client")
    if int(values["disk"] or 0) < DISK:
        yield Finding(what=f"only {int(values['disk'] or 0) / GIBIBYTE:.1f} GiB of disk are free",
                      mend="free some: docker image prune")  # fmt: skip
    if int(float(values["memory"] or 0)) < memory:
        yield Finding(what="it has less memory than [deploy] memory says", mend="see gavan.toml")


def _of_env(env: EnvFile, wanted: Mapping[str, bool]) -> Iterator[Finding]:
    bootstrap = "gavan hosts bootstrap"
    missing = sorted(name for name, must in wanted.items() if must and name not in env.names)
    if missing:
        yield Finding(what=f"without a value: {', '.join(missing)}",
                      mend=f"{bootstrap}, or gavan hosts set NAME")  # fmt: skip
    if not env.is_private:
        yield Finding(what=f"others can read the variables (mode {env.mode})", mend=bootstrap)
    if env.has_crlf:
        yield Finding(what="the lines of the variables end as on Windows", mend=bootstrap)


def remarks(facts: Facts) -> Iterator[Finding]:
    """Yield what is open to the outside though it need not be, and upgrades that nobody makes."""
    for container in facts.published:
        yield Finding(what=f"Docker publishes a port that is not the proxy's: {container}",
                      mend="publish it on 127.0.0.1, or stop it")  # fmt: skip
    if facts.values["firewall"] != "active" and not facts.other_firewall:
        yield Finding(what="no firewall stands before it", mend="gavan hosts bootstrap")
    if facts.values["ipv6"] and not facts.values["ipv4"]:
        yield Finding(what="it reaches the world by IPv6 alone, and its containers not at all: no "
                      "certificate is asked for, no mail sent",
                      mend="give it an address of IPv4 as well")  # fmt: skip
    if facts.values["upgrades"] != "1":
        yield Finding(what="nobody installs its security upgrades", mend="gavan hosts bootstrap")
