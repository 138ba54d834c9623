"""The three answers of health (contracts/operations.md 12.1) and the routes that give them.

Stands above monitor.py. Everything is told from memory: nothing here waits for anything.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gavan.kit.health.monitor import Health

PREFIX = "/api/v1/health"
_HEADERS = {"cache-control": "no-store"}


def live(health: Health) -> dict[str, Any]:
    """Return what is told while the loop turns, whatever the checks say."""
    return {"status": "ok", "uptime_s": int(time.monotonic() - health.began.ticks)}


def ready(health: Health) -> dict[str, Any]:
    """Return whether requests may be sent here, and what was asked when."""
    now = time.monotonic()
    checks = []
    for check in health.checks:
        outcome = health.outcomes.get(check.name)
        known = {"ok": outcome.ok, "ms": outcome.ms, "age_s": int(now - outcome.at)} if outcome \
            else {"ok": False, "ms": None, "age_s": None}  # fmt: skip
        checks.append({"name": check.name, **known, "required": check.required})
    return {"status": health.status, "checks": checks}


def whole(health: Health) -> dict[str, Any]:
    """Return all that may be told to anyone: readiness, release and one field per check."""
    about = health.about
    fields = {f"{check.name}_ready": check.name in health.outcomes
              and health.outcomes[check.name].ok for check in health.checks}  # fmt: skip
    return {
        **ready(health),
        "version": about.version,
        "commit": about.commit,
        "release": about.release,
        "env": about.env,
        "started_at": health.began.at.isoformat(timespec="seconds"),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "data_backend": about.data_backend,
        **fields,
        "degraded": health.degraded,
    }


def health_routes(health: Health, prefix: str = PREFIX) -> list[BaseRoute]:
    """Return the routes for a Starlette or FastAPI app: ``FastAPI(routes=health_routes(health))``.

    ``<prefix>/live`` is 200 always; ``<prefix>`` and ``<prefix>/ready`` are 503 while the process
    starts, drains or lacks what it requires.
    """

    async def answer_live(request: Request) -> Response:
        del request
        return _response(live(health), 200)

    async def answer_ready(request: Request) -> Response:
        del request
        return _response(ready(health), _status(health))

    async def answer_whole(request: Request) -> Response:
        del request
        return _response(whole(health), _status(health))

    return [
        Route(prefix, answer_whole),
        Route(f"{prefix}/live", answer_live),
        Route(f"{prefix}/ready", answer_ready),
    ]


def _status(health: Health) -> int:
    return 200 if health.status == "ready" else 503


def _response(body: dict[str, Any], status: int) -> Response:
    return Response(orjson.dumps(body), status, _HEADERS, "application/json")
