"""Servers beside the stack: which there are, what apps are told, what a laptop has instead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gavan.deploy.plan import _data
from gavan.engines.compose import caddy, document
from gavan.engines.compose.limits import memory_of
from gavan.engines.compose.services import Plan
from gavan.engines.embedded.environment import Surroundings, app_env
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.secrets.keys import fresh_keys
from gavan.stack.load import load

FILE = """
[stack]
name = "pier"

[storage]
engine = "{engine}"

[storage.buckets.harbour]
versioning = true
expire_days = {{ "tmp/" = 7 }}

[queue]
broker = "{broker}"
{more}

[apps.api]
dir = "."
command = "python -m api"
port = 8000
needs = {{ queue = "healthy" }}

[apps.web]
dir = "."
command = "python -m web"
port = 8001
"""
AMQP = "amqp://u:p@mq.example/v"


def loaded(
    folder: Path, engine: str, *, broker: str = "postgres", more: str = "", profile: str = "dev",
    **variables: str,
) -> Plan:  # fmt: skip
    (folder / "supabase" / "migrations").mkdir(parents=True, exist_ok=True)
    file = folder / "gavan.toml"
    file.write_text(FILE.format(engine=engine, broker=broker, more=more))
    found = load(file, profile=profile, environ=variables)
    assert not found.errors, found.errors
    return Plan(stack=found.stack, source=found.source)


def services_of(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(document.render(plan))["services"]
    return found


def env_of(plan: Plan, name: str) -> dict[str, str]:
    class Urls:
        def url(self, role: str, *, socket: bool = False) -> Secret:
            return Secret(f"postgresql://{role}{socket}")

    app = next(app for app in plan.stack.apps if app.name == name)
    around = Surroundings(stack=plan.stack, keys=fresh_keys(), urls=Urls())
    return app_env(around, app)


def test_a_stack_that_asks_for_neither_has_neither(tmp_path: Path) -> None:
    plan = loaded(tmp_path, "core", profile="prod-sim")
    names = services_of(plan)
    assert not {"s3", "s3-init", "rabbitmq"} & set(names)
    assert "s3." not in caddy.render(plan.stack)
    done = {"condition": "service_completed_successfully"}
    assert names["api-blue"]["depends_on"] == {"migrate": done}


def test_minio_brings_a_server_and_a_job_that_apps_wait_for(tmp_path: Path) -> None:
    plan = loaded(tmp_path, "minio", profile="prod-sim")
    services = services_of(plan)
    done = {"condition": "service_completed_successfully"}
    assert services["web-blue"]["depends_on"]["s3-init"] == done
    assert services["s3"]["image"].startswith("quay.io/minio/minio:RELEASE.")
    assert services["s3"]["environment"]["MINIO_ROOT_PASSWORD"] == "${MINIO_ROOT_PASSWORD:?}"
    assert "ports" not in services["s3"]
    buckets = json.loads(services["s3-init"]["environment"]["GAVAN_S3_BUCKETS"])
    assert buckets == {"harbour": {"expire_days": {"tmp/": 7}, "versioning": True}}
    assert memory_of(plan.stack)["s3"] == 384 * 2**20
    assert list(_data(plan.stack)) == ["postgres", "s3"]


def test_apps_ask_minio_inside_and_sign_for_its_host(tmp_path: Path) -> None:
    environment = services_of(loaded(tmp_path, "minio", profile="prod-sim"))["web-blue"][
        "environment"
    ]
    assert {name: text for name, text in environment.items() if name.startswith("S3_")} == {
        "S3_ENDPOINT": "http://s3:9000",
        "S3_PUBLIC_ENDPOINT": "${PUBLIC_SCHEME:-https}://s3.${DOMAIN:?}${PUBLIC_PORT:-}",
        "S3_REGION": "us-east-1",
        "S3_ACCESS_KEY_ID": "gavan",
        "S3_SECRET_ACCESS_KEY": "${MINIO_ROOT_PASSWORD:?}",
        "S3_FORCE_PATH_STYLE": "true",
        "S3_PRESIGN_TTL_SECONDS": "900",
    }


def test_the_core_stands_in_for_minio_on_a_laptop_and_has_its_buckets(tmp_path: Path) -> None:
    plan = loaded(tmp_path, "minio")
    assert env_of(plan, "web")["S3_ENDPOINT"].endswith("/storage/v1/s3")
    made = json.loads(str(plan.stack.core.storage["GAVAN_STORAGE_BUCKETS"]))
    assert made["harbour"]["public"] is False
    in_containers = loaded(tmp_path, "minio", profile="prod-sim").stack.core.storage
    assert "GAVAN_STORAGE_BUCKETS" not in in_containers


def test_a_bucket_of_both_sections_is_as_the_core_is_told(tmp_path: Path) -> None:
    plan = loaded(tmp_path, "core", more="[core.storage.buckets.harbour]\nallow_prefixes = ['in/']")
    made = json.loads(str(plan.stack.core.storage["GAVAN_STORAGE_BUCKETS"]))
    assert made["harbour"]["allow_prefixes"] == ["in/"]


def test_a_provider_is_named_by_variables_on_every_engine(tmp_path: Path) -> None:
    variables = {"S3_ENDPOINT": "https://s3.example", "S3_ACCESS_KEY_ID": "id"}
    with pytest.raises(GavanError, match="S3_SECRET_ACCESS_KEY, which nobody set"):
        env_of(loaded(tmp_path, "s3", **variables), "web")
    found = env_of(loaded(tmp_path, "s3", **variables, S3_SECRET_ACCESS_KEY="k"), "web")
    assert (found["S3_ENDPOINT"], found["S3_PUBLIC_ENDPOINT"]) == ("https://s3.example",) * 2
    assert found["S3_SECRET_ACCESS_KEY"] == "k"
    services = services_of(loaded(tmp_path, "s3", profile="prod-sim"))
    environment = services["web-blue"]["environment"]
    assert environment["S3_SECRET_ACCESS_KEY"] == "${S3_SECRET_ACCESS_KEY:?}"
    assert "s3" not in services


def test_days_that_are_none_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "supabase" / "migrations").mkdir(parents=True)
    file = tmp_path / "gavan.toml"
    text = FILE.format(engine="minio", broker="postgres", more="")
    file.write_text(text.replace('"tmp/" = 7', '"tmp/" = 0'))
    (error,) = load(file, environ={}).errors
    assert (error.code, '"0" is no number of days' in error.message) == ("GV102", True)


def test_only_an_app_that_needs_the_broker_is_told_where_it_is(tmp_path: Path) -> None:
    services = services_of(loaded(tmp_path, "core", broker="rabbitmq", profile="prod-sim"))
    assert services["api-blue"]["environment"]["AMQP_URL"] == (
        "amqp://pier:${RABBITMQ_PASSWORD:?}@rabbitmq:5672/pier"
    )
    assert services["api-blue"]["depends_on"]["rabbitmq"] == {"condition": "service_healthy"}
    assert "AMQP_URL" not in services["web-blue"]["environment"]
    assert services["rabbitmq"]["hostname"] == "rabbitmq"
    assert services["rabbitmq"]["networks"] == ["data"]
    assert "{absolute,241591910}" in str(services["rabbitmq"]["environment"])


def test_a_laptop_without_a_broker_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "supabase" / "migrations").mkdir(parents=True)
    file = tmp_path / "gavan.toml"
    file.write_text(FILE.format(engine="core", broker="rabbitmq", more=""))
    (error,) = load(file, profile="dev", environ={}).errors
    assert (error.code, error.position.line) == ("GV112", 13)
    assert "external_url" in str(error.mend)


def test_a_broker_elsewhere_serves_both_engines(tmp_path: Path) -> None:
    more = 'external_url = "secret://AMQP_URL"'
    plan = loaded(tmp_path, "core", broker="rabbitmq", more=more, AMQP_URL=AMQP)
    assert env_of(plan, "api")["AMQP_URL"] == AMQP
    assert "AMQP_URL" not in env_of(plan, "web")
    plan = loaded(tmp_path, "core", broker="rabbitmq", more=more, profile="prod-sim", AMQP_URL=AMQP)
    services = services_of(plan)
    assert services["api-blue"]["environment"]["AMQP_URL"] == "${AMQP_URL:?}"
    assert "rabbitmq" not in services


def test_servers_of_others_begin_as_root_with_few_rights_and_no_ports(tmp_path: Path) -> None:
    plan = loaded(tmp_path, "minio", broker="rabbitmq", profile="prod-sim")
    for name in ("s3", "rabbitmq"):
        service = services_of(plan)[name]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["restart"] == "unless-stopped"
        assert service["mem_limit"] > 0
        assert "ports" not in service
