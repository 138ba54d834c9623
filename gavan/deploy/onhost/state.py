"""What a run has done, written before each step, and what it tells, added line by line.

Stands above files.py and lock.py.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from gavan.deploy.onhost.files import Place, read_json, write_whole
from gavan.deploy.onhost.lock import me


class State:
    """The state of one release; ``values`` is what the file holds."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.values: dict[str, Any] = {"done": [], "steps": [], **read_json(place.state_file)}

    def begin(self) -> None:
        """Write which process this is, so that others see whether it is alive."""
        self.put(**me(), session=os.getsid(0), outcome="")

    def put(self, **values: Any) -> None:
        self.values.update(values)
        write_whole(self._place.state_file, json.dumps(self.values, indent=1))

    def finish(self, step: str, milliseconds: int) -> None:
        self.values["done"].append(step)
        self.values["steps"].append({"id": step, "ms": milliseconds, "state": "ok"})
        self.put()

    def tell(self, step: str, state: str, detail: str = "", **data: Any) -> None:
        """Add an event for whoever follows."""
        line = {"ts": time.time(), "step": step, "state": state, "detail": detail, "data": data}
        with self._place.events_file.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
