"""How long the certificates of a stack are good for, as the world sees them.

Stands beside outside.py. The proxy renews one when a third of its time is left; one that is not
renewed is told long before it ends.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

from gavan.deploy.onhost.smoke import TIMEOUT_S, Way

DAY_S = 86400
SOON_S = 14 * DAY_S
OVERDUE = 0.25
"""Part of its time: one that is good for a few days or hours only is renewed that late"""


def remarks(plan: dict[str, Any], way: Way) -> Iterator[dict[str, Any]]:
    """Yield a line of the log for every host of the stack whose certificate ends soon."""
    if not way.verifies:
        return
    hosts = {(one["host"], int(one["port"])) for one in plan["outside"]
             if one.get("tls") and not one.get("foreign")}  # fmt: skip
    for host, port in sorted(hosts):
        if said := ends_soon(host, port, way):
            yield {"name": f"certificate of {host}", "ok": None, "ms": 0, "why": said}


def ends_soon(host: str, port: int, way: Way) -> str:
    """Return when the certificate of a host ends, empty when that is far off.

    One that cannot be looked at or is no good is no remark: the questions themselves fail by it.
    """
    try:
        with (
            socket.create_connection((way.address or host, port), TIMEOUT_S) as raw,
            way.context().wrap_socket(raw, server_hostname=host) as tls,
        ):
            shown = tls.getpeercert() or {}
    except OSError:
        return ""
    begins, ends = (
        ssl.cert_time_to_seconds(str(shown[name])) for name in ("notBefore", "notAfter")
    )
    left = ends - time.time()
    if left > min(SOON_S, (ends - begins) * OVERDUE):
        return ""
    days = f"{left / DAY_S:.0f} days" if left > 2 * DAY_S else f"{left / 3600:.0f} hours"
    return (f"the certificate of {host} ends in {days} ({shown['notAfter']}): the proxy should "
            "have renewed it; its log says why not")  # fmt: skip
