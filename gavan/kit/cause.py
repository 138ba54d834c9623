"""What is wrong with a container, by what docker knows of it; pure, of the standard library alone.

Stands on the ground floor, since the runner on a server imports it too, on any Python from 3.10.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

PROBE_BYTES = 2048


@dataclass(frozen=True)
class Cause:
    """One service that did not come up, in a sentence and with its last lines."""

    service: str
    what: str
    details: str


def ends_words(inspected: dict[str, Any], now_s: float) -> list[str]:
    """Return what docker is asked for, so that it tells the ends of a container up to now."""
    since = inspected["Created"].partition(".")[0] + "Z"
    # Said with its fractions: "0s" would mean the beginning of this second.
    return ["events", "--since", since, "--until", f"{now_s:.9f}", "--format", "{{json .}}",
            *("--filter", f"container={inspected['Id']}", "--filter", "type=container"),
            *("--filter", "event=die", "--filter", "event=oom")]  # fmt: skip


def at_its_end(inspected: dict[str, Any], ends: str) -> dict[str, Any]:
    """Return what docker knew of a container when it ended last: a restart forgets it.

    ``ends`` is the answer to ``ends_words``, a JSON object in each line.
    """
    events = [json.loads(line) for line in ends.splitlines()]
    codes = [event["Actor"]["Attributes"]["exitCode"] for event in events
             if event["Action"] == "die"]  # fmt: skip
    state = {**inspected["State"], "Status": "exited"}
    state["OOMKilled"] = state["OOMKilled"] or any(event["Action"] == "oom" for event in events)
    if codes:
        state["ExitCode"] = int(codes[-1])
    return {**inspected, "State": state}


def cause_of(service: str, inspected: dict[str, Any]) -> Cause | None:
    """Return what is wrong with a container, by what docker knows of it; None when nothing is."""
    state = inspected["State"]
    if state.get("OOMKilled"):
        limit = inspected["HostConfig"].get("Memory", 0) // 2**20
        return Cause(service=service, what=f"was killed: it took more than {limit} MiB", details="")
    restarts = inspected.get("RestartCount", 0)
    has_failed = state["ExitCode"] != 0 or restarts
    if state["Status"] in ("exited", "dead", "restarting") and has_failed:
        again = f", {restarts} restarts" if restarts else ""
        return Cause(service=service, what=f"ended with code {state['ExitCode']}{again}",
                     details=state.get("Error", ""))  # fmt: skip
    health = state.get("Health") or {}
    if health.get("Status") in ("unhealthy", "starting"):
        probes = health.get("Log") or []
        said = probes[-1]["Output"][-PROBE_BYTES:].strip() if probes else "it was never asked"
        word = "does not answer its health check" if probes else "has not begun to answer"
        return Cause(service=service, what=word, details=f"last probe: {said}")
    return None
