"""What an app is given, from the .env file to the bytes in its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gavan.engines.embedded.environment import Surroundings, app_env, site_env
from gavan.kit.secret import Secret
from gavan.secrets.keys import load_or_create_keys
from gavan.stack.dotenv import format_entry
from gavan.stack.load import load_stack
from gavan.stack.model import Stack

ODD = "a$b ${HOME} #c 'd' \"e\" \\n\n\tf\r\n  é🦭 %25 $$ `id` $(id) "


class _Urls:
    def url(self, role: str, *, socket: bool = False) -> Secret:
        return Secret(f"postgresql://{role}@127.0.0.1:54322/postgres")


def _surroundings(stack: Stack) -> Surroundings:
    return Surroundings(stack=stack, keys=load_or_create_keys(stack), urls=_Urls())


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    (tmp_path / ".env").write_bytes(
        (format_entry("ODD", ODD) + "\r\n" + format_entry("ODD_TOKEN", ODD)).encode()
    )
    (tmp_path / "gavan.toml").write_text(
        '[stack]\nname = "odd"\n[apps.a]\ncommand = "x"\nsecrets = ["ODD_TOKEN"]\n'
        'env = { ODD = "", COPY = "${ODD}", WRAPPED = "secret://ODD" }\n[sites.web]\n'
    )
    return load_stack(tmp_path / "gavan.toml", environ={"LEAK": "no"})


def test_odd_values_reach_the_process_byte_for_byte(stack: Stack) -> None:
    env = app_env(_surroundings(stack), stack.apps[0])
    for name in ("ODD", "COPY", "WRAPPED", "ODD_TOKEN"):
        code = f"import os, sys; sys.stdout.buffer.write(os.environb[b'{name}'])"
        seen = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True)
        assert seen.stdout == ODD.encode(), name


def test_what_nobody_listed_is_not_given(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAK", "no")
    around = _surroundings(stack)
    assert "LEAK" not in app_env(around, stack.apps[0])
    assert not {"LEAK", "ODD", "ODD_TOKEN"} & set(site_env(around, stack.sites[0]))


def test_no_secret_is_given_to_a_site(stack: Stack) -> None:
    around = _surroundings(stack)
    values = set(site_env(around, stack.sites[0]).values())
    keys = around.keys
    assert keys.anon_key.reveal() in values
    assert (
        not {k.reveal() for k in (keys.service_role_key, keys.secret_key, keys.jwt_secret)} & values
    )
