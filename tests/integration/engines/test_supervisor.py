"""Units under a real supervisor: order, readiness, restarts, verdicts, stop, changed plans."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from gavan.engines.embedded import diff
from gavan.engines.embedded.model import Probe, ProbeKind, Process, dump
from gavan.kit.errors import GavanError
from tests.ports import free_port
from tests.servers import wait_until
from tests.supervised import Run, Runs

SLEEP = "exec sleep 600"


def server(runs: Runs, name: str, port: int, **more: object) -> Process:
    probe = Probe(kind=ProbeKind.HTTP, target="/", port=port, interval_s=0.2, fails=1)
    command = f"exec python3 -m http.server {port} --bind 127.0.0.1"
    return runs.sh(name, command, probe=probe, ports=(port,), **more)


def test_units_start_when_what_they_need_is_ready(runs: Runs) -> None:
    port = free_port()
    run = runs(
        runs.sh("last", "echo $(date +%s%N) > last; " + SLEEP, needs={"web": "healthy"}),
        server(runs, "web", port, needs={"job": "completed"}),
        runs.sh("job", "sleep 0.3; date +%s%N > job", once=True),
    )
    run.wait("last", "running")
    assert run.status("job").state == "completed"
    assert run.status("web").ready_ms is not None
    assert int((runs.root / "job").read_text()) < int((runs.root / "last").read_text())


def test_a_failed_job_skips_its_dependants_with_the_chain_of_reasons(runs: Runs) -> None:
    run = runs(
        runs.sh("job", "echo no such table; exit 3", once=True, restart="no"),
        runs.sh("api", SLEEP, needs={"job": "completed"}),
        runs.sh("web", SLEEP, needs={"api": "healthy"}),
    )
    web = run.wait("web", "skipped")
    assert run.status("job").tail == ("no such table",)
    assert web.reason == "needs api: skipped (needs job: failed (exit 3))"


def test_dependants_start_by_themselves_when_the_need_recovers(runs: Runs) -> None:
    run = runs(
        runs.sh("job", "test -e mended", once=True, restart="no"),
        runs.sh("api", SLEEP, needs={"job": "completed"}),
    )
    run.wait("api", "skipped")
    (runs.root / "mended").touch()
    run.ask("restart", units=["job"])
    run.wait("api", "running")


def test_a_crash_is_followed_by_another_life(runs: Runs) -> None:
    run = runs(runs.sh("api", SLEEP))
    first = run.wait("api", "running")
    os.kill(first.pid or 0, signal.SIGKILL)
    wait_until(lambda: run.status("api").restarts == 1)
    second = run.wait("api", "running")
    assert second.pid != first.pid
    assert second.generation > first.generation


def test_the_same_error_at_once_is_a_verdict_and_start_rearms(runs: Runs) -> None:
    run = runs(runs.sh("api", "test -e mended && exec sleep 600; echo PORT is not set; exit 2"))
    given_up = run.wait("api", "crash-loop")
    assert given_up.reason == "exit 2"
    assert given_up.tail[-1] == "PORT is not set"
    (runs.root / "mended").touch()
    run.ask("start", units=["api"])
    assert run.wait("api", "running").restarts == 0


def test_a_service_that_ends_at_once_is_not_restarted_for_ever(runs: Runs) -> None:
    run = runs(runs.sh("api", "exit 0"))
    assert "command ends" in run.wait("api", "crash-loop").hint


def test_a_program_that_is_missing_is_named(runs: Runs) -> None:
    gone = replace(runs.sh("api", ""), argv=("/no/such/program",))
    assert "/no/such/program" in runs(gone).wait("api", "crash-loop").reason


def test_a_unit_that_never_gets_ready_says_why(runs: Runs) -> None:
    probe = Probe(kind=ProbeKind.TCP, port=free_port(), start_s=0.3)
    run = runs(runs.sh("api", SLEEP, probe=probe))
    wait_until(lambda: run.status("api").restarts >= 1)
    assert "nothing listens on port" in run.status("api").reason
    wait_until(lambda: any("not ready within" in line for line in run.lines("api")))


def test_losing_readiness_is_degraded_and_back(runs: Runs) -> None:
    probe = Probe(kind=ProbeKind.EXEC, target="test -e ok", interval_s=0.1, fails=2)
    (runs.root / "ok").touch()
    run = runs(runs.sh("api", SLEEP, probe=probe))
    first = run.wait("api", "healthy")
    (runs.root / "ok").unlink()
    run.wait("api", "degraded")
    (runs.root / "ok").touch()
    assert run.wait("api", "healthy").pid == first.pid


def test_units_stop_after_those_that_need_them(runs: Runs) -> None:
    trap = "trap 'date +%s%N > {0}; exit 0' TERM; while :; do sleep 0.05; done"
    run = runs(
        runs.sh("db", trap.format("db")),
        runs.sh("api", trap.format("api"), needs={"db": "healthy"}),
    )
    run.wait("api", "running")
    run.down()
    assert int((runs.root / "api").read_text()) < int((runs.root / "db").read_text())
    assert run.living() == {}
    assert not run.is_locked()


def test_a_unit_that_ignores_its_stop_signal_is_killed(runs: Runs) -> None:
    run = runs(runs.sh("api", "trap '' TERM; while :; do sleep 0.05; done", stop_timeout_s=0.3))
    run.wait("api", "running")
    run.ask("stop", units=["api"])
    assert run.status("api").state == "stopped"
    assert run.living() == {}


def test_a_daemon_in_a_session_of_its_own_is_ended_with_its_unit(runs: Runs) -> None:
    daemon = "(setsid sleep 600 &); "
    run = runs(runs.sh("forks", daemon + "exit 0"), runs.sh("api", daemon + SLEEP))
    assert "left processes in the background" in run.wait("forks", "crash-loop").hint
    run.wait("api", "running")
    assert len(run.living()) == 3
    run.down()
    assert run.living() == {}


def test_a_changed_plan_restarts_only_what_changed(runs: Runs) -> None:
    kept, changed, removed = (runs.sh(name, SLEEP) for name in ("kept", "changed", "removed"))
    run = runs(kept, changed, removed)
    for name in ("kept", "changed", "removed"):
        run.wait(name, "running")
    before = {name: run.status(name).pid for name in ("kept", "changed")}
    new = replace(changed, env={**changed.env, "A": "1"})
    answer = run.ask("apply", plan=dump(run.plan(kept, new, runs.sh("added", SLEEP))))
    found = [diff.Change(c["unit"], c["what"], tuple(c["details"])) for c in answer["changes"]]
    assert found == [
        diff.Change("removed", "removed"),
        diff.Change("changed", "changed", ("env A: added",)),
        diff.Change("added", "added"),
    ]
    run.wait("added", "running")
    assert run.wait("changed", "running").pid != before["changed"]
    assert run.status("kept").pid == before["kept"]
    assert "removed" not in [unit["name"] for unit in run.ask("status")["units"]]


def test_the_same_plan_changes_nothing(runs: Runs) -> None:
    unit = runs.sh("api", SLEEP)
    run = runs(unit)
    pid = run.wait("api", "running").pid
    assert run.ask("apply", plan=dump(run.plan(unit)))["changes"] == []
    assert run.status("api").pid == pid


def test_commands_on_one_unit_come_one_after_another(runs: Runs) -> None:
    run = runs(runs.sh("api", SLEEP))
    run.wait("api", "running")
    for _ in range(3):
        run.ask("restart", units=["api"])
        run.ask("stop", units=["api"])
        run.ask("start", units=["api"])
    run.wait("api", "running")
    assert len(run.living()) == 1


def test_an_unknown_unit_is_refused_with_the_known_ones(runs: Runs) -> None:
    run = runs(runs.sh("api", SLEEP))
    with pytest.raises(GavanError, match="no unit apu") as caught:
        run.ask("restart", units=["apu"])
    assert caught.value.hint == "units: api"


def test_the_control_socket_is_its_owners_alone(runs: Runs) -> None:
    run: Run = runs(runs.sh("api", SLEEP))
    assert run.control.stat().st_mode & 0o777 == 0o600
    assert (run.state_dir / ".gitignore").read_text() == "*\n"
