"""What the supervisor is told and what it tells: processes, probes, states, as plain values.

Stands between `units.py`, which makes processes of a plan, and the supervisor, which runs them;
they cross from one process to the other as JSON, so the supervisor never reads a stack file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

MARKER = "GAVAN_RUN_ID"
UNIT_MARKER = "GAVAN_UNIT"


class State(StrEnum):
    PENDING = "pending"
    PREPARING = "preparing"
    STARTING = "starting"
    RUNNING = "running"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    COMPLETED = "completed"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    CRASH_LOOP = "crash-loop"
    SKIPPED = "skipped"


ALIVE = frozenset({State.STARTING, State.RUNNING, State.HEALTHY, State.DEGRADED})
READY = frozenset({State.RUNNING, State.HEALTHY, State.COMPLETED})
BAD = frozenset({State.FAILED, State.CRASH_LOOP, State.SKIPPED})


class ProbeKind(StrEnum):
    HTTP = "http"
    TCP = "tcp"
    EXEC = "exec"
    POSTGRES = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A question to a unit; durations in seconds.

    ``target`` is the path for http, the command for exec, the socket file for postgres.
    """

    kind: ProbeKind
    target: str = ""
    port: int = 0
    interval_s: float = 2.0
    timeout_s: float = 2.0
    start_s: float = 30.0
    fails: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One unit as the supervisor runs it.

    ``fingerprint`` stands for files the process reads: a change of it is a change of the unit.
    ``note`` is shown while the unit starts. ``env_matters`` is False for a job that inherits the
    caller's environment, which differs from shell to shell. ``user`` is (uid, gid) to
    become, None to stay.
    """

    name: str
    kind: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: tuple[int, int] | None = None
    needs: Mapping[str, str] = field(default_factory=dict)
    probe: Probe | None = None
    once: bool = False
    restart: str = "always"
    stop_signal: str = "SIGTERM"
    stop_timeout_s: float = 30.0
    ports: tuple[int, ...] = ()
    fingerprint: str = ""
    note: str = ""
    env_matters: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All processes of a stack in start order; ``data_dir`` is empty without a Postgres of ours."""

    stack: str
    file: str
    profile: str
    state_dir: str
    control: str
    data_dir: str = ""
    attached: bool = False
    processes: tuple[Process, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known of one unit now; times are seconds since 1970, ``ready_ms`` a duration."""

    name: str
    kind: str
    state: State
    pid: int | None = None
    generation: int = 0
    restarts: int = 0
    since: float = 0.0
    ready_ms: int | None = None
    ports: tuple[int, ...] = ()
    reason: str = ""
    hint: str = ""
    tail: tuple[str, ...] = ()
    once: bool = False
    wanted: bool = True
    note: str = ""


def dump(value: Plan | Process | Status) -> dict[str, Any]:
    """Return a value as plain JSON data."""
    return asdict(value)


def load_process(data: Mapping[str, Any]) -> Process:
    """Return the process that ``dump`` wrote."""
    probe, user = data["probe"], data["user"]
    return Process(
        **{
            **data,
            "argv": tuple(data["argv"]),
            "ports": tuple(data["ports"]),
            "user": (int(user[0]), int(user[1])) if user else None,
            "probe": Probe(**{**probe, "kind": ProbeKind(probe["kind"])}) if probe else None,
        }
    )


def load_plan(data: Mapping[str, Any]) -> Plan:
    """Return the plan that ``dump`` wrote."""
    return Plan(**{**data, "processes": tuple(load_process(item) for item in data["processes"])})


def load_status(data: Mapping[str, Any]) -> Status:
    """Return the status that ``dump`` wrote."""
    return Status(
        **{
            **data,
            "state": State(data["state"]),
            "ports": tuple(data["ports"]),
            "tail": tuple(data["tail"]),
        }
    )
