"""What verbs print: JSON, tables, steps."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from gavan.cli.flags import Flags
from gavan.cli.progress import LiveSink, Progress
from gavan.cli.render import Output, Result, Style, table, to_json
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret


@dataclass(frozen=True)
class _Row:
    path: Path
    key: Secret


def _output(**flags: object) -> tuple[Output, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Output(Flags(**flags), stdout=out, stderr=err), out, err  # type: ignore[arg-type]  # any flag


def test_json_masks_secrets_and_spells_paths() -> None:
    text = to_json({"row": [_Row(path=Path("a/b"), key=Secret("hunter2"))]})
    assert json.loads(text) == {"row": [{"path": "a/b", "key": "********"}]}


def test_table_aligns_cells_whatever_their_colour() -> None:
    style = Style(enabled=True)
    text = table(("name", "state"), [("core", style.good("ready")), ("postgres", "x")], style)
    assert click.unstyle(text).splitlines() == [
        "name      state",
        "core      ready",
        "postgres  x",
    ]


def test_result_goes_to_stdout_and_steps_to_stderr() -> None:
    output, out, err = _output()
    output.progress.start("core")
    output.progress.ok("core", "listening")
    output.result(Result(text="done"))
    assert out.getvalue() == "done\n"
    assert [line.split(" ", 1)[1].split(" ms")[0][:8] for line in err.getvalue().splitlines()] == [
        "core sta",
        "core ok ",
    ]


def test_a_failure_tells_programs_what_it_tells_people() -> None:
    output, out, _ = _output(output="json")
    error = GavanError("GV545", "api ended", details="no berth free", hint="mend it")
    error.cause = {"exit_code": 1}
    output.error(error)
    assert json.loads(out.getvalue())["error"] == {
        "code": "GV545", "message": "api ended", "where": None, "why": "no berth free",
        "mend": "mend it", "cause": {"exit_code": 1},
    }  # fmt: skip


def test_quiet_keeps_warnings_and_drops_steps() -> None:
    output, _, err = _output(quiet=True)
    output.progress.start("core")
    output.warn("the disk is nearly full")
    assert err.getvalue() == "warning the disk is nearly full\n"


def test_ndjson_ends_with_the_result_object() -> None:
    output, out, err = _output(output="ndjson", verb="up")
    output.progress.start("core")
    output.progress.ok("core", "listening", port=54321)
    output.warn("careful")
    output.result(Result(data={"a": 1}))
    start, ok, last = (json.loads(line) for line in out.getvalue().splitlines())
    assert list(start) == ["ts", "verb", "step", "state", "ms", "data"]
    assert (ok["state"], ok["data"]) == ("ok", {"port": 54321, "detail": "listening"})
    assert (last["v"], last["data"], last["warnings"]) == (1, {"a": 1}, ["careful"])
    assert err.getvalue() == "warning careful\n"


def test_live_list_redraws_in_place() -> None:
    stream = io.StringIO()
    progress = Progress(LiveSink(stream, color=False))
    progress.start("postgres")
    progress.start("core")
    progress.ok("postgres", "ready")
    frames = stream.getvalue().split("\x1b[2F\x1b[0J")
    assert len(frames) == 2
    assert [line.split()[:2] for line in frames[-1].splitlines()] == [
        ["✓", "postgres"],
        ["·", "core"],
    ]


def test_a_live_list_that_is_longer_than_the_terminal_scrolls_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "5")
    stream = io.StringIO()
    progress = Progress(LiveSink(stream, color=False))
    for number in range(100):
        progress.start(f"step{number}")
        progress.ok(f"step{number}")
    frames = stream.getvalue().split("\x1b[4F\x1b[0J")
    assert all(frame.count("\n") <= 5 for frame in frames[1:])
    assert [line.split()[1] for line in frames[-1].splitlines()] == [
        "step96",
        "step97",
        "step98",
        "step99",
    ]
    # Each is written once for good, however often it was drawn before.
    assert len(frames) < 210
