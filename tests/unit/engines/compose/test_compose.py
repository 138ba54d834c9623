"""The generated files of the compose engine: what they hold, and what they must never hold."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gavan.engines.compose import caddy, document, env_file
from gavan.engines.compose.limits import check_memory
from gavan.engines.compose.services import Plan
from gavan.engines.compose.values import finished, optional, required, written
from gavan.kit.errors import GavanError
from gavan.stack.load import WITHOUT, load

FILE = """
[stack]
name = "shop"

[profiles.prod]
domain = "shop.example"
acme_email = "ops@shop.example"

[core.auth]
enable_signup = false

[core.auth.email.smtp]
enabled = true
host = "mail.shop.example"
port = 465
user = "mailer"
pass = "secret://MAIL_PASSWORD"
admin_email = "no-reply@shop.example"

[apps.api]
dir = "."
command = "python -m api"
port = 8000
health = { path = "/ready" }
routes = [{ host = "api", path = "/v1", strip = true }]
needs = { core = "healthy", database = "healthy" }
secrets = ["STRIPE_API_KEY"]

[apps.api.env]
CORE = "${core.url}/rest/v1"
MODEL = "${MODEL:-small}"
TITLE = "ten $$ and more"
SHAPE = '{"a": 1}'
TOKEN = "${TOKEN:?ask the office}"

[apps.jobs]
kind = "worker"
dir = "."
command = "python -m jobs"
needs = { api = "healthy" }

[sites.web]
dir = "web"
output = "public"

[cron.tidy]
schedule = "0 3 * * *"
sql = "select $1"
"""
SECRETS = {"MAIL_PASSWORD": "mail-secret-1", "STRIPE_API_KEY": "stripe-secret-2", "TOKEN": "tok-3"}


NOT_HERE = """
[stack]
name = "far"

[database.migrations]
dir = "."

[apps.api]
dir = "."
command = "python -m api"
port = 8000
secrets = ["STRIPE_API_KEY"]

[apps.api.env]
TOKEN = "${TOKEN:?ask the office}"

[backup.encrypt]
method = "gpg"
recipients = ["${BACKUP_GPG_KEY:?}"]

[profiles.prod]
domain = "far.example"
acme_email = "ops@far.example"
"""


def generate(folder: Path, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "gavan.toml").write_text(text)
    argv = [sys.executable, "-m", "gavan", "-p", "prod", "generate", *words]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False,
                          env={"PATH": os.environ["PATH"]})  # fmt: skip


def test_files_are_made_where_the_values_of_their_variables_are_not_known(tmp_path: Path) -> None:
    done = generate(tmp_path, NOT_HERE)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "deploy" / "compose.stack.yml").read_text()
    assert "TOKEN: ${TOKEN:?ask the office}" in text
    assert "STRIPE_API_KEY: ${STRIPE_API_KEY:?}" in text
    assert generate(tmp_path, NOT_HERE, "--check").returncode == 0


def test_what_is_wrong_on_every_machine_still_stops_the_files(tmp_path: Path) -> None:
    wrong = NOT_HERE.replace("${TOKEN:?ask the office}", "${apps.nobody.url}")
    done = generate(tmp_path, wrong)
    assert done.returncode == 2
    assert "GV150 ${apps.nobody.url}" in done.stderr
    assert "STRIPE" not in done.stderr


def plan_of(
    tmp_path: Path,
    profile: str = "prod-sim",
    text: str = FILE,
    environ: Mapping[str, str] = SECRETS,
) -> Plan:
    file = tmp_path / "gavan.toml"
    file.write_text(text)
    (tmp_path / "supabase" / "migrations").mkdir(parents=True, exist_ok=True)
    (tmp_path / "web" / "public").mkdir(parents=True, exist_ok=True)
    loaded = load(file, profile=profile, environ=environ)
    assert not loaded.errors
    return Plan(stack=loaded.stack, source=loaded.source)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path)


@pytest.fixture
def services(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(document.render(plan))["services"]
    return found


def test_rehearsal_and_production_run_the_same_bytes(tmp_path: Path) -> None:
    rehearsal, production = plan_of(tmp_path, "prod-sim"), plan_of(tmp_path, "prod")
    assert document.render(rehearsal) == document.render(production)
    assert caddy.render(rehearsal.stack) == caddy.render(production.stack)


def test_no_generated_file_holds_a_secret(plan: Plan) -> None:
    text = document.render(plan) + caddy.render(plan.stack)
    text += env_file.example(document.render(plan), plan.stack)
    for value in SECRETS.values():
        assert value not in text


def test_the_env_file_of_a_server_asks_for_nothing_that_only_who_deploys_needs(
    tmp_path: Path,
) -> None:
    more = """
[deploy]
registry = "${REGISTRY:-ghcr.io/acme}"
[deploy.hosts.web]
address = "${SERVER}"
"""
    values = {**SECRETS, "SERVER": "web.example"}
    plan = plan_of(tmp_path, text=FILE + more, environ=values)
    text = document.render(plan)
    assert not {"REGISTRY", "SERVER"} & set(env_file.variables_of(text))
    there = yaml.safe_load(text)["services"]["migrate"]["environment"]
    values = {**SECRETS, WITHOUT: there[WITHOUT]}
    assert not load(tmp_path / "gavan.toml", profile="prod", environ=values).errors, (
        "what runs on the server reads the same file without them"
    )


def test_secrets_of_the_core_come_by_the_names_that_the_core_knows(
    services: dict[str, Any],
) -> None:
    environment = services["core-blue"]["environment"]
    assert environment["GOTRUE_SMTP_PASS"] == "${GOTRUE_SMTP_PASS:?}"
    assert environment["GOTRUE_SMTP_HOST"] == "mail.shop.example"


def test_variables_of_an_app_keep_their_forms_and_what_is_literal_may_be_set_outside(
    services: dict[str, Any],
) -> None:
    environment = services["api-blue"]["environment"]
    assert environment["CORE"] == "http://proxy:54321/rest/v1"
    assert environment["MODEL"] == "${MODEL:-small}"
    assert environment["TITLE"] == "${TITLE:-ten $$ and more}"
    assert environment["SHAPE"] == '{"a": 1}'
    assert environment["TOKEN"] == "${TOKEN:?ask the office}"
    assert environment["STRIPE_API_KEY"] == "${STRIPE_API_KEY:?}"


def test_an_app_finds_the_s3_of_the_core_inside_and_signs_for_the_host_that_browsers_ask(
    services: dict[str, Any],
) -> None:
    found = services["api-blue"]["environment"]
    assert {name: found[name] for name in found if name.startswith("S3_")} == {
        "S3_ENDPOINT": "http://proxy:54321/storage/v1/s3",
        "S3_PUBLIC_ENDPOINT": "${PUBLIC_SCHEME:-https}://api.${DOMAIN:?}${PUBLIC_PORT:-}"
        "/storage/v1/s3",
        "S3_REGION": "local",
        "S3_ACCESS_KEY_ID": "${S3_PROTOCOL_ACCESS_KEY_ID:?}",
        "S3_SECRET_ACCESS_KEY": "${S3_PROTOCOL_ACCESS_KEY_SECRET:?}",
        "S3_FORCE_PATH_STYLE": "true",
        "S3_PRESIGN_TTL_SECONDS": "900",
    }
    assert found["GAVAN_RELEASE"] == "${GAVAN_RELEASE:-}"


def test_only_the_proxy_has_ports_of_the_host(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]


def test_every_service_is_closed_limited_and_rotates_its_log(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"] > 0, name
        assert service["init"] is True, name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        assert "container_name" not in service, name


def test_the_network_of_the_data_leads_nowhere(plan: Plan) -> None:
    found = yaml.safe_load(document.render(plan))
    assert found["networks"]["data"] == {"internal": True}
    assert found["services"]["postgres"]["networks"] == ["data"]
    assert found["services"]["web-blue"]["networks"] == ["app"]


def test_what_the_proxy_leads_to_has_a_sleeping_second_slot(services: dict[str, Any]) -> None:
    for name in ("core", "api", "web"):
        assert "profiles" not in services[f"{name}-blue"]
        assert services[f"{name}-green"]["profiles"] == ["green"]
        upper = name.upper()
        assert services[f"{name}-green"]["image"] == f"${{{upper}_GREEN_IMAGE:?}}"
    assert "jobs-blue" not in services


def test_needs_wait_for_the_first_slot_and_for_the_migrations(services: dict[str, Any]) -> None:
    done = {"condition": "service_completed_successfully"}
    healthy = {"condition": "service_healthy"}
    assert services["api-blue"]["depends_on"] == {"core-blue": healthy, "migrate": done}
    assert services["jobs"]["depends_on"] == {"api-blue": healthy}


def test_dollars_that_mean_nothing_to_compose_are_doubled(services: dict[str, Any]) -> None:
    assert "select $$1" in services["cron"]["environment"]["GAVAN_CRON"]


def test_text_and_variables_are_told_apart() -> None:
    assert finished(f"a$b {required('X')} {optional('Y', 'c$d')}") == "a$$b ${X:?} ${Y:-c$$d}"
    assert finished(written("N", "plain", {})) == "${N:-plain}"
    assert finished(written("N", "${N}", {})) == "${N:?}"


def test_a_stack_that_does_not_fit_is_refused_with_the_sum(tmp_path: Path) -> None:
    text = FILE + '\n[deploy]\nmemory = "1GiB"\n'
    with pytest.raises(GavanError, match="its server gives 1024 MiB") as caught:
        check_memory(plan_of(tmp_path, text=text).stack)
    assert caught.value.code == "GV146"
    assert "postgres 1024 MiB + core 512 MiB + api 384 MiB" in str(caught.value.details)
    # The core, the app and the site, each beside its old slot until that has drained.
    assert "944 MiB during a release" in str(caught.value.details)
    assert "overlap" not in str(caught.value.hint), "without it the stack would not fit either"


def test_a_stack_that_fits_but_for_the_second_slots_is_offered_a_release_without_them(
    tmp_path: Path,
) -> None:
    tight = FILE + '\n[deploy]\nmemory = "3000MiB"\n'
    with pytest.raises(GavanError, match="its server gives 3000 MiB") as caught:
        check_memory(plan_of(tmp_path, text=tight).stack)
    assert "[deploy] overlap = false" in str(caught.value.hint)
    check_memory(plan_of(tmp_path, text=tight + "overlap = false\n").stack)


def test_caddy_takes_the_file(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "Caddyfile").write_text(caddy.render(plan.stack))
    program = Path(sys.executable).with_name("caddy")
    for place in (
        {"CADDY_TLS": "tls internal", "CADDY_SCHEME": ""},
        {"CADDY_TLS": "", "CADDY_SCHEME": "http://"},
        {"CADDY_GLOBAL": "email a@shop.example", "CADDY_HSTS": env_file.HSTS},
    ):
        env = {"DOMAIN": "shop.example", "HOME": str(tmp_path), **place}
        words = (str(program), "validate", "--adapter", "caddyfile", "--config", "Caddyfile")
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True,
                              check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        written_well = subprocess.run(
            (str(program), "fmt", "--diff", "Caddyfile"), cwd=tmp_path, env=env,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert written_well.returncode == 0, written_well.stdout


def test_longer_paths_lead_first_and_a_prefix_is_taken_off(plan: Plan) -> None:
    text = caddy.render(plan.stack)
    host = text[text.index("{$CADDY_SCHEME}api.{$DOMAIN}") :]
    assert host.index("/realtime/v1") < host.index("/rest/v1") < host.index('"/v1"')
    assert 'uri strip_prefix "/v1"' in host


def test_the_example_names_every_variable_a_person_must_set(plan: Plan) -> None:
    lines = env_file.example(document.render(plan), plan.stack).splitlines()
    names = {line.partition("=")[0] for line in lines if not line.startswith("#")}
    assert {"TOKEN", "STRIPE_API_KEY", "GOTRUE_SMTP_PASS", "JWT_SECRET", "DOMAIN"} <= names
    assert not {name for name in names if name.endswith("IMAGE")}
    assert "# MODEL=" in lines


def test_no_unit_is_called_as_a_slot_of_another_one(tmp_path: Path) -> None:
    one = '\n[apps.{}]\ndir = "."\ncommand = "x"\n'
    for other, clashes in (("api-green", True), ("team-green", False)):
        (tmp_path / "gavan.toml").write_text(FILE + one.format(other))
        found = load(tmp_path / "gavan.toml", profile="prod", environ=SECRETS)
        assert ("GV104" in {finding.code for finding in found.errors}) == clashes
