"""Progress of a verb on stderr: a live list of steps on a terminal, plain lines elsewhere.

Stands beside render.py: verbs and engines report steps here and never write to a stream.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, TextIO

import click
import orjson

MARKS = {"start": "·", "tick": "·", "ok": "✓", "warn": "!", "fail": "✗", "skip": "-"}
UNDER_WAY = ("start", "tick")
COLORS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "bright_black", "tick": "cyan"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of one step; ``ms`` since the step started."""

    step: str
    state: str
    ms: int
    detail: str = ""
    data: Mapping[str, object] = field(default_factory=dict)


class Sink(Protocol):
    def event(self, event: Event) -> None: ...

    def message(self, text: str) -> None:
        """Write a line that stays, such as a warning, above what is live."""

    def finish(self) -> None:
        """Leave what is drawn as it is; later lines come below it."""


class QuietSink:
    """Keeps warnings, drops steps."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def event(self, event: Event) -> None:
        pass

    def message(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()

    def finish(self) -> None:
        pass


class PlainSink(QuietSink):
    """`12:00:01 postgres ok 812 ms ready`, one line per event; ticks are left out."""

    def event(self, event: Event) -> None:
        if event.state == "tick":
            return
        now = time.strftime("%H:%M:%S")
        took = "" if event.state == "start" else f" {event.ms} ms"
        detail = f"  {event.detail}" if event.detail else ""
        self.message(f"{now} {event.step} {event.state}{took}{detail}")


class NdjsonSink:
    """Events as JSON lines on stdout; the last line, the result, is render.py's."""

    def __init__(self, stream: TextIO, messages: TextIO, verb: str) -> None:
        self._stream = stream
        self._messages = messages
        self._verb = verb

    def event(self, event: Event) -> None:
        line = {
            "ts": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "verb": self._verb,
            "step": event.step,
            "state": event.state,
            "ms": event.ms,
            "data": {**event.data, **({"detail": event.detail} if event.detail else {})},
        }
        self._stream.write(orjson.dumps(line, default=str).decode() + "\n")
        self._stream.flush()

    def message(self, text: str) -> None:
        self._messages.write(text + "\n")
        self._messages.flush()

    def finish(self) -> None:
        pass


class LiveSink:
    """Redraws the list of steps in place; every step keeps its line.

    What does not fit on the terminal scrolls away: steps that ended, the oldest first.
    """

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        self._stream = stream
        self._color = color
        self._steps: dict[str, Event] = {}
        self._drawn = 0

    def event(self, event: Event) -> None:
        self._steps[event.step] = event
        self._draw()

    def message(self, text: str) -> None:
        self._erase()
        self._stream.write(text + "\n")
        self._draw()

    def finish(self) -> None:
        self._steps.clear()
        self._drawn = 0

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}F\x1b[0J")
        self._drawn = 0

    def _draw(self) -> None:
        self._erase()
        width, height = shutil.get_terminal_size()
        longest = max((len(name) for name in self._steps), default=0)
        too_many = max(len(self._steps) - max(height - 1, 1), 0)
        ended = [name for name, event in self._steps.items() if event.state not in UNDER_WAY]
        for name in ended[:too_many]:
            self._line(self._steps.pop(name), longest, width)
        shown = list(self._steps.values())[-max(height - 1, 1) :]
        for event in shown:
            self._line(event, longest, width)
        self._drawn = len(shown)
        self._stream.flush()

    def _line(self, event: Event, longest: int, width: int) -> None:
        took = f"{event.ms / 1000:6.1f} s" if event.state != "start" else " " * 8
        line = f" {event.step:<{longest}}  {took}  {event.detail}"[: max(width - 2, 8)].rstrip()
        mark = MARKS.get(event.state, "·")
        if self._color:
            mark = click.style(mark, fg=COLORS.get(event.state))
        self._stream.write(mark + line + "\n")


class Progress:
    """Report steps from any thread: ``start`` a step, then end it by ok, warn, fail or skip."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._started: dict[str, float] = {}
        self._lock = threading.Lock()

    def start(self, step: str, detail: str = "") -> None:
        self._emit(step, "start", detail, {})

    def tick(self, step: str, detail: str = "") -> None:
        """Say that a step is still under way, e.g. what it waits for."""
        self._emit(step, "tick", detail, {})

    def ok(self, step: str, detail: str = "", **data: object) -> None:
        self._emit(step, "ok", detail, data)

    def warn(self, step: str, detail: str = "", **data: object) -> None:
        self._emit(step, "warn", detail, data)

    def fail(self, step: str, detail: str = "", **data: object) -> None:
        self._emit(step, "fail", detail, data)

    def skip(self, step: str, detail: str = "", **data: object) -> None:
        self._emit(step, "skip", detail, data)

    def report(self, step: str, state: str, detail: str) -> None:
        """Tell of a step by the name of its state, as the lower floors report."""
        tell = {
            "start": self.start,
            "tick": self.tick,
            "ok": self.ok,
            "warn": self.warn,
            "skip": self.skip,
            "fail": self.fail,
        }[state]
        tell(step, detail)

    def message(self, text: str) -> None:
        """Write one line for the person at the terminal."""
        with self._lock:
            self._sink.message(text)

    def finish(self) -> None:
        """Close the list of steps; what follows is written below it."""
        with self._lock:
            self._sink.finish()

    def _emit(self, step: str, state: str, detail: str, data: Mapping[str, object]) -> None:
        with self._lock:
            now = time.monotonic()
            if state == "start":
                self._started[step] = now
            ms = round((now - self._started.get(step, now)) * 1000)
            self._sink.event(Event(step=step, state=state, ms=ms, detail=detail, data=data))
