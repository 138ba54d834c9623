"""How the halves of a run that work at once end together.

Stands under the dump and the objects: whoever fails first stops the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from gavan.kit.errors import GavanError


class Stop:
    """Set once; what waits in a call that cannot look is ended by ``at_once``."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._calls: list[Callable[[], object]] = []

    def set(self) -> None:
        """Stop everybody."""
        with self._lock:
            self._event.set()
            calls, self._calls = self._calls, []
        for call in calls:
            call()

    def at_once(self, call: Callable[[], object]) -> None:
        """Have ``call`` made when it is set; now, if it is."""
        with self._lock:
            if not self._event.is_set():
                self._calls.append(call)
                return
        call()

    def check(self) -> None:
        """Raise GavanError GV006 when it is set."""
        if self._event.is_set():
            raise GavanError("GV006", "interrupted", exit_code=130)
