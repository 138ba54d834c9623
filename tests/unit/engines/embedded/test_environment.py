"""What an app is given, from the .env file to the bytes in its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gavan.core.auth.config.auth import read_config
from gavan.core.auth.outlets import open_outlets
from gavan.core.auth.store import Store
from gavan.core.settings import read_settings
from gavan.engines.embedded.environment import Surroundings, app_env, core_env, site_env
from gavan.kit.secret import Secret
from gavan.secrets.keys import load_or_create_keys
from gavan.secrets.signing import rotate
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


def test_the_data_api_is_told_by_the_names_of_postgrest(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SALT_TOKEN=grain\n")
    (tmp_path / "gavan.toml").write_text(
        '[stack]\nname = "odd"\n[core.rest]\ndb_plan_enabled = true\n'
        'jwt_role_claim_key = "$.role"\ndb_pre_request = "private.check"\n'
        'app_settings = { greeting = "hi", salt = "${SALT_TOKEN}" }\n'
    )
    around = _surroundings(load_stack(tmp_path / "gavan.toml", environ={}))
    options = read_settings(core_env(around)).rest
    assert options["db_pre_request"] == "private.check"
    assert (options["db_plan_enabled"], options["db_aggregates_enabled"]) == ("true", "false")
    assert options["jwt_role_claim_key"] == "$.role"
    assert (options["app_settings_greeting"], options["app_settings_salt"]) == ("hi", "grain")
    assert "jwt_aud" not in options
    assert "grain" not in repr(around.stack)


def test_without_a_section_the_data_api_keeps_its_defaults(stack: Stack) -> None:
    options = read_settings(core_env(_surroundings(stack))).rest
    assert not {"db_anon_role", "db_plan_enabled", "db_pool"} & options.keys()


@pytest.mark.parametrize(
    ("profile", "protected", "caught"),
    [("dev", "", True), ("lab", "", True), ("lab", "protected = true", False)],
)
def test_only_a_stack_that_holds_real_data_sends_mail_to_the_world(
    tmp_path: Path, profile: str, protected: str, caught: bool
) -> None:
    """An SMTP server in the file changes nothing: elsewhere mail is caught, and shown."""
    (tmp_path / "gavan.toml").write_text(
        f'[stack]\nname = "odd"\n[profiles.lab]\n{protected}\n'
        '[core.auth.email.smtp]\nhost = "smtp.example.com"\nadmin_email = "a@b.ch"\n'
    )
    stack = load_stack(tmp_path / "gavan.toml", profile=profile, environ={})
    environ = core_env(_surroundings(stack))
    config = read_config(read_settings(environ), environ)
    outlets = open_outlets(config, Store(Secret("postgresql://nowhere")))
    inbox = str(tmp_path / ".gavan" / "inbox")
    assert config.mail.inbox_dir == (inbox if caught else "")
    assert (outlets.inbox is not None) is caught
    assert bool(outlets.routes()) is caught


def test_the_core_is_given_the_signing_keys_and_no_app_is(stack: Stack) -> None:
    kid = rotate(stack, now=0, at_once=True).signs
    around = _surroundings(stack)
    assert read_settings(core_env(around)).keys.kid == kid
    keys = around.keys.signing_keys
    assert keys is not None
    for env in (app_env(around, stack.apps[0]), site_env(around, stack.sites[0])):
        assert keys.reveal() not in env.values()
