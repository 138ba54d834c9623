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
from gavan.deploy.hosts import Facts
from gavan.deploy.ssh import LONG_S, Ssh, as_root
from gavan.kit.errors import GavanError

UPGRADES = "/etc/apt/apt.conf.d/52gavan-upgrades"
_UPGRADES_TEXT = """\
// Written by gavan hosts bootstrap.
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
"""
_APT = "apt-get -o DPkg::Lock::Timeout=300 -qq"
_PACKAGES = rf"""
set -e
export DEBIAN_FRONTEND=noninteractive
{_APT} update >/dev/null
compose=docker-compose-v2
apt-cache show $compose >/dev/null 2>&1 || compose=docker-compose
case $(apt-cache policy $compose | sed -n 's/ *Candidate: //p') in
  [2-9].*|[1-9][0-9].*) ;;
  *) echo "this system has no package of Docker Compose 2; Debian 13 and Ubuntu 24.04 have, for" \
       "others see https://docs.docker.com/engine/install/" >&2; exit 1 ;;
esac
wanted="python3 ca-certificates docker.io nftables unattended-upgrades $compose"
! apt-cache show docker-cli >/dev/null 2>&1 || wanted="$wanted docker-cli"
if [ ! -e /etc/docker/daemon.json ]; then
  install -d /etc/docker
  echo '{{ "live-restore": true }}' > /etc/docker/daemon.json
fi
{_APT} install -y --no-install-recommends $wanted >/dev/null
systemctl enable --quiet --now docker
"""
_USER = r"""
set -e
user=$1
if ! id -u "$user" >/dev/null 2>&1; then
  useradd --create-home --shell /bin/bash "$user"
  home=$(getent passwd "$user" | cut -d: -f6)
  from=${SUDO_USER:-root}
  keys=$(getent passwd "$from" | cut -d: -f6)/.ssh/authorized_keys
  [ -s "$keys" ] || { echo "$from has no authorized_keys to give to $user" >&2; exit 1; }
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
    if facts.lacks_packages:
        yield Step(says="install Docker, Compose, nftables and unattended-upgrades from the "
                   f"packages of {facts.values['os']}", do=_packages)  # fmt: skip
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


def check_root(facts: Facts, ssh: Ssh) -> None:
    """Raise GavanError GV572 for a login that cannot change the server."""
    if not facts.values["root"]:
        raise GavanError(
            "GV572", f"{ssh.host.user} cannot change {ssh.host.name}: no sudo without a password",
            hint="gavan hosts bootstrap --as root", exit_code=3,
        )  # fmt: skip


def _packages(ssh: Ssh) -> None:
    ssh.run(*as_root(ssh, _PACKAGES), deadline_s=LONG_S)


def _upgrades(ssh: Ssh) -> None:
    ssh.run(*as_root(ssh, _WRITE, UPGRADES), stdin=_UPGRADES_TEXT.encode())


def _user(user: str) -> Callable[[Ssh], object]:
    return lambda ssh: ssh.run(*as_root(ssh, _USER, user))


def _folder(wish: Wish) -> Callable[[Ssh], object]:
    return lambda ssh: ssh.run(*as_root(ssh, _FOLDER, wish.user, wish.path))
