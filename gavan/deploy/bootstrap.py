"""What makes a bare server one that the stack can run on; each step says first what it would do.

Stands above hosts.py and firewall.py. Docker and Compose come from the packages of Debian 13 or
Ubuntu 24.04 themselves: their security team looks after them, the same unattended upgrades bring
them, and no key of a further repository has to be trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gavan.deploy import env_file, firewall
from gavan.deploy.firewall import Doors
from gavan.deploy.hosts import SNAP, Facts
from gavan.deploy.ssh import LONG_S, Ssh, as_root
from gavan.kit.errors import GavanError

UPGRADES = "/etc/apt/apt.conf.d/52gavan-upgrades"
_UPGRADES_TEXT = """\
// Written by gavan hosts bootstrap.
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
"""
_PACKAGE_OF = {"Python": "python3", "nftables": "nftables",
               "unattended-upgrades": "unattended-upgrades"}  # fmt: skip
"""Names of packages that every system has; those of Docker and Compose are looked for there"""
_LOCK_S = 300
# A Docker that is there stays, with its settings: that of its own makers would be removed for the
# system's, and live-restore keeps one of a swarm from starting. Files that somebody changed stay.
_PACKAGES = rf"""
set -e
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l LC_ALL=C
waited=0
# apt waits for the lock of packages, not for that of the lists, which a new server's first run of
# unattended upgrades holds.
until said=$(apt-get -qq update 2>&1); do
  case $said in
    */lists/lock*) [ "$waited" -lt {_LOCK_S} ] || {{ echo "$said" >&2; exit 1; }} ;;
    *) echo "$said" >&2; exit 1 ;;
  esac
  sleep 2
  waited=$((waited + 2))
done
known() {{ apt-cache show "$1" >/dev/null 2>&1; }}
wanted="ca-certificates $*"
if ! command -v docker >/dev/null; then
  wanted="$wanted docker.io"
  ! known docker-cli || wanted="$wanted docker-cli"
  install -d /etc/docker
  [ -e /etc/docker/daemon.json ] || echo '{{ "live-restore": true }}' > /etc/docker/daemon.json
fi
if ! docker compose version >/dev/null 2>&1; then
  compose=docker-compose-plugin
  known $compose || compose=docker-compose-v2
  known $compose || compose=docker-compose
  case $(apt-cache policy $compose | sed -n 's/ *Candidate: //p') in
    [2-9].*|[1-9][0-9].*|[1-9]:[2-9].*) ;;
    *) echo "this system has no package of Docker Compose 2; Debian 13 and Ubuntu 24.04 have, for" \
         "others see https://docs.docker.com/engine/install/" >&2; exit 1 ;;
  esac
  wanted="$wanted $compose"
fi
apt-get -o DPkg::Lock::Timeout={_LOCK_S} -o Dpkg::Options::=--force-confold -qq install -y \
  --no-remove --no-install-recommends $wanted >/dev/null
systemctl enable --quiet --now docker
"""
_USER = r"""
set -e
user=$1
if ! id -u "$user" >/dev/null 2>&1; then
  from=${SUDO_USER:-root}
  keys=$(getent passwd "$from" | cut -d: -f6)/.ssh/authorized_keys
  # Before anything is made: a user without a key would be taken for done by the next run.
  [ -s "$keys" ] || { echo "$from has no authorized_keys to give to $user" >&2; exit 1; }
  useradd --create-home --shell /bin/bash "$user"
  home=$(getent passwd "$user" | cut -d: -f6)
  install -d -m 0700 -o "$user" -g "$user" "$home/.ssh"
  install -m 0600 -o "$user" -g "$user" "$keys" "$home/.ssh/authorized_keys"
fi
usermod -aG docker "$user"
"""
_FOLDER = r"""
set -e
group=$(id -gn "$1")
install -d -m 0755 -o "$1" -g "$group" "$2" "$2/releases" "$2/slots"
"""
_WRITE = r'cat > "$1"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change; ``says`` fits behind "will" and behind "did"."""

    says: str
    do: Callable[[Ssh], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How the server shall be: who deploys, the folder, the ports of proxy and person."""

    user: str
    path: str
    doors: Doors
    env_file: str


def doors(facts: Facts, wished: tuple[str, ...], ports: tuple[int, int]) -> Doors:
    """Return what is open after: SSH where it is used and served, the proxy, what was asked for
    now or before."""
    proxy = [f"{port}/tcp" for port in ports] + [f"{ports[1]}/udp"]
    ssh = [f"{port}/tcp" for port in facts.ssh_ports]
    return Doors.of([*ssh, *proxy, *facts.open_doors, *wished])


def steps(facts: Facts, wish: Wish) -> Iterator[Step]:
    """Yield what is to be changed, in order; nothing on a server that is as it should be."""
    if facts.lacks:
        yield Step(says=f"install {', '.join(facts.lacks)} from the packages of "
                   f"{facts.values['os']}", do=_packages(facts.lacks))  # fmt: skip
    if not facts.values["user"]:
        yield Step(says=f"make the user {wish.user}: no password, no sudo, in the group docker, "
                   f"with the SSH keys of {facts.values['me']}", do=_user(wish.user))  # fmt: skip
    elif not facts.values["docker"] and wish.user != "root":
        yield Step(says=f"put {wish.user} into the group docker", do=_user(wish.user))
    if not facts.values["folder"]:
        yield Step(says=f"make {wish.path} for {wish.user}", do=_folder(wish))
    if not facts.env.is_private or facts.env.has_crlf:
        yield Step(says=f"make {wish.env_file} {wish.user}'s alone, with line ends of Linux",
                   do=lambda ssh: env_file.mend(ssh, wish.env_file, wish.user))  # fmt: skip
    if facts.values["upgrades"] != "1":
        yield Step(says="switch on unattended upgrades", do=_upgrades)
    if not facts.other_firewall and facts.rules != firewall.rules(wish.doors):
        yield _firewall(facts, wish)


def _firewall(facts: Facts, wish: Wish) -> Step:
    said = f"open {', '.join(wish.doors.words())} to the outside and nothing else"
    shut = sorted(set(facts.listening) - set(wish.doors.words()) - set(firewall.ANYWAY))
    if shut:
        said += f" (closes {', '.join(shut)}; to keep one: --open PORT)"
    return Step(says=said, do=lambda ssh: firewall.set_up(ssh, wish.doors))


def check(facts: Facts, ssh: Ssh) -> None:
    """Refuse a server that cannot be changed from here, or is no good for changing.

    Raises:
        GavanError: GV572 a login without the right to, GV535 a Docker that must go first.
    """
    me = ssh.host.user
    if not facts.values["root"]:
        line = f"echo '{me} ALL=(ALL) NOPASSWD: ALL' | sudo tee /etc/sudoers.d/gavan"
        raise GavanError(
            "GV572", f"{me} cannot change {ssh.host.name}: no sudo without a password",
            hint="gavan hosts bootstrap --as root; where root may not log in, allow it there until "
            f"this is done: {line}", exit_code=3,
        )  # fmt: skip
    if facts.has_snap:
        raise GavanError("GV535", f"{SNAP.what} on {ssh.host.name}", hint=SNAP.mend, exit_code=3)


def _packages(lacks: list[str]) -> Callable[[Ssh], object]:
    names = [_PACKAGE_OF[one] for one in lacks if one in _PACKAGE_OF]
    return lambda ssh: ssh.run(*as_root(ssh, _PACKAGES, *names), deadline_s=LONG_S)


def _upgrades(ssh: Ssh) -> None:
    ssh.run(*as_root(ssh, _WRITE, UPGRADES), stdin=_UPGRADES_TEXT.encode())


def _user(user: str) -> Callable[[Ssh], object]:
    return lambda ssh: ssh.run(*as_root(ssh, _USER, user))


def _folder(wish: Wish) -> Callable[[Ssh], object]:
    return lambda ssh: ssh.run(*as_root(ssh, _FOLDER, wish.user, wish.path))
