"""A compose project on this machine: its folder, its variables, the commands of docker compose.

Stands above document.py and docker.py; the verbs of the command line walk through here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gavan.engines.compose import caddy, document, env_file
from gavan.engines.compose.addresses import SLOTS, slotted
from gavan.engines.compose.limits import check_memory
from gavan.engines.compose.services import Plan
from gavan.engines.docker import Line, docker, follow_docker
from gavan.engines.generated import File
from gavan.engines.images.build import STACK_PART, Built
from gavan.kit.errors import GavanError
from gavan.secrets.files import write_private

FOLDER = "deploy"
COMPOSE_FILE = "compose.stack.yml"
CADDY = "caddy"
"""The folder of what the proxy reads, beside the compose file"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A stack under a profile, run by docker compose on this machine."""

    plan: Plan

    @property
    def name(self) -> str:
        stack = self.plan.stack
        return f"{stack.name}-{stack.profile.name}"

    @property
    def folder(self) -> Path:
        """Where the generated files lie, beside the stack file."""
        return self.plan.stack.root / FOLDER

    @property
    def state(self) -> Path:
        """Where this machine keeps what only it needs: variables, slots, data."""
        return self.plan.stack.state_dir / "compose" / self.plan.stack.profile.name

    def files(self) -> list[File]:
        """Return the generated files; raise GavanError GV146 for a stack that does not fit."""
        stack = self.plan.stack
        check_memory(stack)
        text = document.render(self.plan)
        example = env_file.example(text, stack)
        return [
            File(path=self.folder / COMPOSE_FILE, body=text),
            *(File(path=self.folder / CADDY / name, body=body)
              for name, body in caddy.files(stack).items()),
            File(path=self.folder / f"compose.{stack.profile.name}.env.example", body=example),
        ]  # fmt: skip

    def write_variables(self, values: Mapping[str, str], images: Mapping[str, str]) -> None:
        """Write the env files and the slots: a part stays in its slot, at first in the first one.

        Raises:
            GavanError: GV150 names every variable that is required and has no value.
        """
        wanted = env_file.asked_of_people(document.render(self.plan))
        missing = [name for name, must in wanted.items() if must and not values.get(name)]
        if missing:
            raise GavanError(
                "GV150",
                f"the stack needs {', '.join(sorted(missing))}, which nobody set",
                hint=f"write them to {self.plan.stack.root / '.env.local'}",
                exit_code=2,
            )
        for folder in (self.slots, *(self.data / name for name in document.DATA)):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        place = {
            "COMPOSE_PROJECT_NAME": self.name,
            "DATA_DIR": str(self.data),
            "SLOTS_DIR": str(self.slots),
        }
        asked = {name: values[name] for name in wanted if name in values}
        write_private(self.variables, env_file.render(asked).encode())
        write_private(self.images, env_file.render({**place, **images}).encode())
        for part in slotted(self.plan.stack):
            file = self.slots / part.name
            second = file.is_file() and file.read_text().startswith(f"{part.service(SLOTS[1])}:")
            _replace(file, caddy.slot_text(part, SLOTS[1] if second else SLOTS[0]))

    @property
    def variables(self) -> Path:
        return self.state / "place.env"

    @property
    def images(self) -> Path:
        return self.state / "release.env"

    @property
    def slots(self) -> Path:
        return self.state / "slots"

    @property
    def data(self) -> Path:
        return self.state / "data"

    def words(self, *more: str) -> list[str]:
        """Return the words of a docker compose command of this project."""
        return [
            *("compose", "--progress=plain", "--project-name", self.name),
            *("--file", str(self.folder / COMPOSE_FILE)),
            *("--env-file", str(self.variables), "--env-file", str(self.images)),
            *more,
        ]

    def run(self, *more: str) -> str:
        """Run a short compose command; raises GavanError as ``docker`` does."""
        self._must_exist()
        return docker(*self.words(*more))

    def follow(self, words: Sequence[str], line: Line) -> None:
        """Run a long compose command; ``line`` hears what it prints."""
        self._must_exist()
        follow_docker(self.words(*words), line)

    def services(self) -> list[dict[str, Any]]:
        """Return what compose tells of the containers, ended ones among them."""
        if not self.images.is_file():
            return []
        lines = self.run("ps", "--all", "--format", "json").splitlines()
        return [json.loads(line) for line in lines if line.strip()]

    def runs(self, service: str) -> bool:
        """Say whether a container of a service runs."""
        return any(one["Service"] == service and one["State"] == "running"
                   for one in self.services())  # fmt: skip

    def _must_exist(self) -> None:
        if not self.images.is_file():
            raise GavanError(
                "GV511",
                f"{self.plan.stack.name} was never started under the profile "
                f"{self.plan.stack.profile.name}",
                hint=f"gavan up -p {self.plan.stack.profile.name}",
                exit_code=3,
            )


def _replace(file: Path, text: str) -> None:
    """Write a file that Caddy may read at any moment."""
    draft = file.with_name(f".{file.name}.partial")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)


def image_variables(plan: Plan, built: Sequence[Built]) -> dict[str, str]:
    """Return the images of a first start: both slots of a part have the same one."""
    by_part = {one.part: one.references[0] for one in built}
    found = {"GAVAN_IMAGE": by_part["gavan"], "STACK_IMAGE": by_part[STACK_PART]}
    with_slots = {part.name for part in slotted(plan.stack)}
    for part, image in {**by_part, "core": by_part["gavan"]}.items():
        if part in ("gavan", STACK_PART):
            continue
        slots = SLOTS if part in with_slots else (None,)
        found |= {document.image_variable(part, slot): image for slot in slots}
    return found
