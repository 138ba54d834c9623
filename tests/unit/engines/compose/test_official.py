"""[core] engine = "supabase": the file is whole and valid; its images are not run by our tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gavan.deploy.plan import _data
from gavan.engines.compose import caddy, document, env_file
from gavan.engines.compose.addresses import slotted
from gavan.engines.compose.env_file import key_variables
from gavan.engines.compose.limits import check_memory, memory_of
from gavan.engines.compose.official import IMAGES
from gavan.engines.compose.services import Plan
from gavan.secrets.keys import fresh_keys
from gavan.stack.check import OFFICIAL
from gavan.stack.load import load

FILE = """
[stack]
name = "shop"

[core]
engine = "supabase"

[core.rest]
db_aggregates_enabled = true

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
routes = [{ host = "api", path = "/v1" }]
"""
# What contracts/operations.md 5.8 lists for the services that are run.
NEEDED = {
    "postgres": "POSTGRES_PASSWORD POSTGRES_DB JWT_SECRET JWT_EXP",
    "rest": "PGRST_DB_URI PGRST_DB_SCHEMAS PGRST_DB_ANON_ROLE PGRST_JWT_SECRET"
    " PGRST_DB_EXTRA_SEARCH_PATH PGRST_DB_MAX_ROWS PGRST_APP_SETTINGS_JWT_SECRET"
    " PGRST_APP_SETTINGS_JWT_EXP PGRST_DB_USE_LEGACY_GUCS",
    "auth": "GOTRUE_API_HOST GOTRUE_API_PORT API_EXTERNAL_URL GOTRUE_DB_DRIVER"
    " GOTRUE_DB_DATABASE_URL GOTRUE_SITE_URL GOTRUE_URI_ALLOW_LIST GOTRUE_JWT_SECRET"
    " GOTRUE_JWT_EXP GOTRUE_JWT_AUD GOTRUE_JWT_ADMIN_ROLES GOTRUE_JWT_DEFAULT_GROUP_NAME"
    " GOTRUE_DISABLE_SIGNUP GOTRUE_EXTERNAL_EMAIL_ENABLED GOTRUE_MAILER_AUTOCONFIRM"
    " GOTRUE_SMTP_HOST GOTRUE_SMTP_PASS GOTRUE_MAILER_URLPATHS_RECOVERY GOTRUE_SMS_AUTOCONFIRM",
    "realtime": "DB_HOST DB_PORT DB_USER DB_PASSWORD DB_NAME DB_AFTER_CONNECT_QUERY DB_ENC_KEY"
    " API_JWT_SECRET METRICS_JWT_SECRET SECRET_KEY_BASE APP_NAME SEED_SELF_HOST RLIMIT_NOFILE"
    " ERL_AFLAGS DNS_NODES",
    "storage": "ANON_KEY SERVICE_KEY AUTH_JWT_SECRET PGRST_JWT_SECRET DATABASE_URL POSTGREST_URL"
    " STORAGE_BACKEND TENANT_ID FILE_SIZE_LIMIT TUS_URL_PATH ENABLE_IMAGE_TRANSFORMATION"
    " IMGPROXY_URL",
    "imgproxy": "IMGPROXY_BIND IMGPROXY_LOCAL_FILESYSTEM_ROOT IMGPROXY_USE_ETAG",
    "meta": "PG_META_PORT PG_META_DB_HOST PG_META_DB_PASSWORD CRYPTO_KEY",
    "studio": "STUDIO_PG_META_URL SUPABASE_URL SUPABASE_PUBLIC_URL AUTH_JWT_SECRET"
    " POSTGRES_PASSWORD PG_META_CRYPTO_KEY",
}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path, FILE)


def plan_of(folder: Path, text: str, profile: str = "prod-sim") -> Plan:
    (folder / "supabase" / "migrations").mkdir(parents=True, exist_ok=True)
    (folder / "gavan.toml").write_text(text)
    found = load(folder / "gavan.toml", profile=profile, environ={"MAIL_PASSWORD": "mail-1"})
    assert not found.errors, found.errors
    return Plan(stack=found.stack, source=found.source)


@pytest.fixture
def services(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(document.render(plan))["services"]
    return found


@pytest.mark.parametrize("name", NEEDED)
def test_every_variable_of_the_contract_is_set(services: dict[str, Any], name: str) -> None:
    assert services[name]["image"] == IMAGES[name]
    environment = services[name]["environment"]
    assert set(NEEDED[name].split()) <= set(environment)
    for variable in NEEDED[name].split():
        empty = ("GOTRUE_URI_ALLOW_LIST",)
        assert environment[variable] or variable in empty, variable


def test_the_file_is_one_of_compose_by_its_schema(plan: Plan, tmp_path: Path) -> None:
    file = tmp_path / "compose.yml"
    file.write_text(document.render(plan))
    program = Path(sys.executable).with_name("check-jsonschema")
    words = [str(program), "--builtin-schema", "vendor.compose-spec", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_caddy_takes_the_routes_and_the_core_has_no_slot(plan: Plan, tmp_path: Path) -> None:
    assert [part.name for part in slotted(plan.stack)] == ["api"]
    (tmp_path / "Caddyfile").write_text(caddy.render(plan.stack))
    program = str(Path(sys.executable).with_name("caddy"))
    for verb in (("validate", "--adapter", "caddyfile", "--config"), ("fmt", "--diff")):
        done = subprocess.run(
            (program, *verb, "Caddyfile"), cwd=tmp_path, capture_output=True, text=True,
            check=False, env={"DOMAIN": "shop.example", "HOME": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout


def test_what_the_stack_file_says_of_the_core_reaches_its_services(
    plan: Plan, services: dict[str, Any]
) -> None:
    assert services["rest"]["environment"]["PGRST_DB_AGGREGATES_ENABLED"] == "true"
    auth = services["auth"]["environment"]
    assert auth["GOTRUE_DISABLE_SIGNUP"] == "true"
    assert auth["GOTRUE_SMTP_HOST"] == "mail.shop.example"
    assert auth["GOTRUE_SMTP_PASS"] == "${GOTRUE_SMTP_PASS:?}"
    assert "mail-1" not in document.render(plan)


def test_every_secret_is_a_variable_that_the_keys_of_a_stack_have(plan: Plan) -> None:
    made = key_variables(fresh_keys(), {})
    asked = env_file.asked_of_people(document.render(plan))
    assert {"REALTIME_DB_ENC_KEY", "REALTIME_SECRET_KEY_BASE", "PG_META_CRYPTO_KEY"} <= set(asked)
    assert len(made["REALTIME_DB_ENC_KEY"]) == 16
    assert len(made["REALTIME_SECRET_KEY_BASE"]) >= 64
    assert len(made["PG_META_CRYPTO_KEY"]) >= 32
    must = {name for name, needed in asked.items() if needed}
    place = {"GAVAN_PROFILE", "DOMAIN", "GOTRUE_SMTP_PASS", "POSTGRES_PASSWORD"}
    assert must <= {*made, *place}


def test_what_people_look_into_with_sleeps_and_has_no_port(services: dict[str, Any]) -> None:
    for name in ("meta", "studio"):
        assert services[name]["profiles"] == ["studio"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert "core-blue" not in services


def test_migrations_wait_for_those_who_make_the_schemas_and_make_none_themselves(
    plan: Plan, services: dict[str, Any]
) -> None:
    healthy = {"condition": "service_healthy"}
    waits = services["migrate"]["depends_on"]
    assert services["migrate"]["command"] == ["gavan", "migrate", "up"]
    assert (waits["auth"], waits["storage"], waits["postgres"]) == (healthy,) * 3
    assert services["api-blue"]["depends_on"]["auth"] == healthy
    assert "core" not in services["api-blue"]["depends_on"]
    assert set(_data(plan.stack)) == {"postgres", "rest", "auth", "realtime", "storage", "imgproxy"}


def test_it_fits_the_usual_server_with_an_app(plan: Plan) -> None:
    check_memory(plan.stack)
    assert memory_of(plan.stack)["realtime"] == 512 * 2**20
    assert "core" not in memory_of(plan.stack)


def test_only_the_services_that_are_asked_for_are_run(tmp_path: Path) -> None:
    text = FILE.replace('engine = "supabase"', 'engine = "supabase"\nservices = ["rest", "auth"]')
    found = yaml.safe_load(document.render(plan_of(tmp_path, text)))["services"]
    assert {"rest", "auth"} <= set(found)
    assert not {"realtime", "storage", "imgproxy"} & set(found)


def test_no_app_has_the_name_of_one_of_its_services(tmp_path: Path) -> None:
    (tmp_path / "supabase" / "migrations").mkdir(parents=True)
    (tmp_path / "gavan.toml").write_text(FILE.replace("[apps.api]", "[apps.auth]"))
    found = load(tmp_path / "gavan.toml", environ={"MAIL_PASSWORD": "x"}).errors
    assert [one.code for one in found] == ["GV104"]
    assert set(OFFICIAL) == set(IMAGES) - {"postgres"}
