"""What the supervisor is told to run for the units of a stack file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gavan.engines.embedded.environment import Surroundings
from gavan.engines.embedded.model import Probe, ProbeKind
from gavan.engines.embedded.units import Request, build_plan
from gavan.kit.secret import Secret
from gavan.secrets.keys import load_or_create_keys
from gavan.stack.load import load_stack
from gavan.stack.plan import plan_units


class _Urls:
    def url(self, role: str, *, socket: bool = False) -> Secret:
        return Secret(f"postgresql://{role}@127.0.0.1:54322/postgres")


def probe_of_app(folder: Path, text: str) -> Probe:
    (folder / "gavan.toml").write_text(f'[stack]\nname = "x"\n[apps.a]\ncommand = "x"\n{text}')
    stack = load_stack(folder / "gavan.toml", environ={})
    around = Surroundings(stack=stack, keys=load_or_create_keys(stack), urls=_Urls())
    plan = build_plan(Request(around=around, server=None), plan_units(stack, dev=False))
    (probe,) = [process.probe for process in plan.processes if process.name == "a"]
    assert probe is not None
    return probe


@pytest.mark.parametrize(
    ("text", "kind", "port"),
    [
        ("port = 3000\nhealth = { path = '/ready' }", ProbeKind.HTTP, 3000),
        ("port = 3000\nhealth = { tcp = 3001 }", ProbeKind.TCP, 3001),
        ("port = 3000", ProbeKind.TCP, 3000),
    ],
)
def test_an_app_is_asked_on_its_own_port(
    tmp_path: Path, text: str, kind: ProbeKind, port: int
) -> None:
    probe = probe_of_app(tmp_path, text)
    assert (probe.kind, probe.port) == (kind, port)
