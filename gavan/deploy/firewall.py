"""The firewall of a server: nftables, in a table of our own beside Docker's.

Stands above ssh.py. What comes from outside reaches SSH and the proxy and nothing else, ports that
Docker publishes included: those never meet a firewall of the ``input`` chain, since Docker turns
them round before it, so the rule for them is in ``forward``. New rules take themselves back unless
a new connection gets through them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from gavan.deploy.ssh import Ssh, as_root
from gavan.kit.errors import GavanError

FOLDER = "/etc/gavan"
FILE = f"{FOLDER}/firewall.nft"
UNIT = "gavan-firewall.service"
TABLE = "gavan"
TAKEN_BACK_S = 20
ANYWAY = ("68/udp", "546/udp")
"""Answers to a server that asks for its address"""
OTHERS = ("ufw", "firewalld")
"""Firewalls that somebody set up before: they stay, and ours is not put beside them."""

_UNIT_TEXT = f"""\
# Written by gavan hosts bootstrap.
[Unit]
Description=Firewall of gavan
DefaultDependencies=no
Before=network-pre.target shutdown.target
# Its file may begin with "flush ruleset": ours come after it, whenever it is loaded.
After=nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f {FILE}
ExecReload=/usr/sbin/nft -f {FILE}

[Install]
WantedBy=sysinit.target
"""
_TRY = r"""
set -e
install -d -m 0755 "$1"
cat > "$1/new.nft"
nft -c -f "$1/new.nft"
systemctl stop gavan-firewall-back.timer 2>/dev/null || true
back="nft delete table inet gavan"
[ ! -f "$2" ] || back="nft -f $2"
systemd-run --quiet --collect --unit=gavan-firewall-back --on-active="$3" /bin/sh -c "$back"
nft -f "$1/new.nft"
"""
_KEEP = r"""
set -e
mv "$1/new.nft" "$2"
cat > "/etc/systemd/system/$3"
systemctl daemon-reload
systemctl stop gavan-firewall-back.timer
systemctl enable --quiet "$3"
systemctl start "$3"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Ports that are open to the outside: numbers by protocol."""

    tcp: frozenset[int]
    udp: frozenset[int]

    @classmethod
    def of(cls, ports: Collection[str]) -> Doors:
        """Return the doors of words such as ``22/tcp``."""
        numbers: dict[str, set[int]] = {"tcp": set(), "udp": set()}
        for port in ports:
            number, _, protocol = port.partition("/")
            numbers[protocol or "tcp"].add(int(number))
        return cls(tcp=frozenset(numbers["tcp"]), udp=frozenset(numbers["udp"]))

    def words(self) -> list[str]:
        """Return the doors as words, in order."""
        return [f"{number}/{protocol}" for protocol, numbers in (("tcp", self.tcp),
                ("udp", self.udp)) for number in sorted(numbers)]  # fmt: skip


def rules(doors: Doors) -> str:
    """Return the file of rules; loading it replaces our table at one stroke."""
    tcp, udp = _set(doors.tcp), _set(doors.udp)
    return f"""\
# Written by gavan hosts bootstrap.
# open: {" ".join(doors.words())}
table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
	chain input {{
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		ct state invalid drop
		iifname "lo" accept
		iifname "docker0" accept
		iifname "br-*" accept
		meta l4proto {{ icmp, ipv6-icmp }} accept
		udp dport {{ 68, 546 }} accept
		tcp dport {tcp} accept
		udp dport {udp} accept
	}}
	chain forward {{
		type filter hook forward priority filter - 5; policy accept;
		ct state established,related accept
		iifname "docker0" accept
		iifname "br-*" accept
		ct status dnat meta l4proto tcp ct original proto-dst {tcp} accept
		ct status dnat meta l4proto udp ct original proto-dst {udp} accept
		ct status dnat drop
	}}
}}
"""


def _set(numbers: Collection[int]) -> str:
    return f"{{ {', '.join(map(str, sorted(numbers)))} }}"


def set_up(ssh: Ssh, doors: Doors, taken_back_s: int = TAKEN_BACK_S) -> None:
    """Put the firewall up, now and at every start of the server.

    Raises:
        GavanError: GV571 when no new connection gets through it: it takes itself back then.
    """
    text = rules(doors).encode()
    ssh.run(*as_root(ssh, _TRY, FOLDER, FILE, str(taken_back_s)), stdin=text)
    # A connection that is there already would go on through any wall.
    new = replace(ssh, options=("ControlPath=none", "ControlMaster=no", "ConnectTimeout=5"))
    try:
        new.run("true", deadline_s=taken_back_s)
    except GavanError as error:
        raise GavanError(
            "GV571", f"the firewall would have locked us out of {ssh.host.name}",
            details=error.details, exit_code=3,
            hint=f"it is taken back within {taken_back_s} s; open the port that SSH comes in by: "
            "gavan hosts bootstrap --open PORT",
        ) from error  # fmt: skip
    ssh.run(*as_root(ssh, _KEEP, FOLDER, FILE, UNIT), stdin=_UNIT_TEXT.encode())
