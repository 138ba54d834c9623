"""One release at work: its plan, its state, and how it differs from the one that serves.

Stands above docker.py and state.py; the steps are given it. What serves is compared as it would run
now, by its own files: what an earlier run wrote down about it would be another value as soon as
Gavan or Compose counts otherwise, and a database would begin anew for that.
"""

from __future__ import annotations

from typing import Any

from gavan.deploy.onhost.docker import Compose, Service
from gavan.deploy.onhost.failure import Failure
from gavan.deploy.onhost.files import Place, read_json
from gavan.deploy.onhost.state import State

SLOTS = ("blue", "green")
_NOT_OF_DATA = ("healthcheck", "labels", "logging", "restart", "stop_grace_period", "stop_signal")
"""What may differ for something that holds data to go on as it is"""


class Work:
    """One release at work; ``live`` is what served when it began."""

    def __init__(self, place: Place, state: State) -> None:
        self.place = place
        self.state = state
        self.plan: dict[str, Any] = place.plan()
        self.compose = Compose(place, self.plan)
        self.live: dict[str, Any] = read_json(place.live_file)
        self._services: dict[str, Service] = {}
        self._known: dict[str, Service] | None = None

    @property
    def before(self) -> Place:
        """The place of the release that serves."""
        return Place(self.place.root, str(self.live.get("release", "")))

    @property
    def services(self) -> dict[str, Service]:
        """The services of this release as they would run."""
        self._services = self._services or self.compose.services()
        return self._services

    @property
    def known(self) -> dict[str, Service]:
        """Those of the release that serves; none when its files are gone."""
        if self._known is None:
            self._known = _services_of(self.before)
        return self._known

    def slot_of(self, part: str) -> str:
        """Return the slot that serves a part, empty when none does."""
        return str(self.live.get("parts", {}).get(part, {}).get("slot", ""))

    @property
    def overlaps(self) -> bool:
        """Whether new slots run beside the old ones; older plans do not say it."""
        return bool(self.plan.get("overlap", True))

    def next_slot(self, part: str) -> str:
        """Return the slot of a part in this release: chosen once, kept by --resume."""
        chosen: dict[str, str] = self.state.values.setdefault("slots", {})
        if part not in chosen and not self.overlaps:
            chosen[part] = self.slot_of(part) or SLOTS[0]
        elif part not in chosen:
            chosen[part] = SLOTS[1] if self.slot_of(part) == SLOTS[0] else SLOTS[0]
        return chosen[part]

    def changed(self) -> list[str]:
        """Return the parts whose configuration or image is another, or that do not run."""
        if "changed" not in self.state.values:
            self.state.put(changed=[part for part in self.plan["parts"] if self._differs(part)])
        found: list[str] = self.state.values["changed"]
        return found

    def _differs(self, part: str) -> bool:
        service = f"{part}-{self.slot_of(part)}"
        if not self.slot_of(part) or self.known.get(service) != self.services[service]:
            return True
        return not self.compose.runs(service)

    def single_changed(self) -> list[str]:
        """Return the services without slots, but for data and proxy, that are to be replaced."""
        return [name for name in self.plan["singles"]
                if self.known.get(name) != self.services[name]]  # fmt: skip

    def proxy_changed(self) -> bool:
        """Say whether the proxy itself is another one, not only its routes."""
        return self.known.get("proxy") not in (None, self.services["proxy"])

    def differences(self, name: str) -> list[str]:
        """Return by what a service that holds data is another one; names, never values.

        An image of ours is none: what is in it changes with every version of Gavan.
        """
        if name not in self.known:
            return []
        old = _of_data(self.known[name], self.before.plan())
        new = _of_data(self.services[name], self.plan)
        keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        found = [key for key in keys if key != "environment"]
        was, now = old["environment"], new["environment"]
        return found + sorted(n for n in {*was, *now} if was.get(n) != now.get(n))

    def gone(self) -> set[str]:
        """Return the services that any release kept here had, and this one has not."""
        found: set[str] = set()
        for folder in (self.place.root / "releases").iterdir():
            plan = Place(self.place.root, folder.name).plan()
            found |= {*plan.get("singles", []), *plan.get("data", [])}
            found |= {f"{part}-{slot}" for part in plan.get("parts", {}) for slot in SLOTS}
        return found - set(self.services)


def _services_of(place: Place) -> dict[str, Service]:
    plan = place.plan() if place.release else {}
    try:
        return Compose(place, plan).services() if plan else {}
    except Failure:
        return {}


def _of_data(service: Service, plan: dict[str, Any]) -> Service:
    told = {key: value for key, value in service.items() if key not in _NOT_OF_DATA}
    ours = {one["name"] for one in plan["images"]}
    return {key: value for key, value in told.items() if key != "image" or value not in ours}
