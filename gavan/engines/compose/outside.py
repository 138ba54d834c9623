"""What apps are told of servers that are not gavan's: the S3 and the broker.

Stands beside addresses.py; peers.py has the services themselves.
"""

from __future__ import annotations

from typing import Any

from gavan.engines.compose.addresses import inside_url, public_url
from gavan.engines.compose.values import optional, required
from gavan.engines.embedded.environment import (
    PROVIDER_KEYS,
    QUEUE,
    S3_DOOR,
    Surroundings,
    presigning,
    s3_door,
)
from gavan.kit.storage.s3_settings import DEFAULT_REGION
from gavan.stack.model import App, Broker, S3Engine, Stack

S3 = "s3"
BUCKETS = "s3-init"
BROKER = "rabbitmq"
BROKER_PORT = 5672
S3_USER = "gavan"


def has_s3(stack: Stack) -> bool:
    """Say whether a server of S3 runs in the stack."""
    return stack.storage.engine is S3Engine.MINIO


def has_broker(stack: Stack) -> bool:
    """Say whether a broker runs in the stack."""
    return stack.queue.broker is Broker.RABBITMQ and stack.queue.external_url is None


def after_buckets(stack: Stack) -> dict[str, Any]:
    """Return what apps wait for, so that their buckets are there."""
    return {BUCKETS: {"condition": "service_completed_successfully"}} if has_s3(stack) else {}


def s3_variables(stack: Stack, around: Surroundings) -> dict[str, str]:
    """Return where apps find an S3; its public address is the one to sign for browsers."""
    match stack.storage.engine:
        case S3Engine.CORE:
            core = stack.core
            ends = {
                "S3_ENDPOINT": f"{inside_url(core.port)}{S3_DOOR}",
                "S3_PUBLIC_ENDPOINT": f"{public_url(core.host)}{S3_DOOR}",
            }
            known = s3_door(around)
            return {**known, **ends} if known else {}
        case S3Engine.MINIO:
            return {
                **own_s3(stack),
                "S3_PUBLIC_ENDPOINT": public_url(stack.storage.host),
                **presigning(stack),
            }
        case S3Engine.S3:
            return {
                "S3_ENDPOINT": optional("S3_ENDPOINT"),
                "S3_PUBLIC_ENDPOINT": optional("S3_ENDPOINT"),
                "S3_REGION": optional("S3_REGION", DEFAULT_REGION),
                "S3_FORCE_PATH_STYLE": optional("S3_FORCE_PATH_STYLE", "true"),
                **{name: required(name) for name in PROVIDER_KEYS},
                **presigning(stack),
            }


def own_s3(stack: Stack) -> dict[str, str]:
    """Return where the server of the stack is, and its keys."""
    return {
        "S3_ENDPOINT": f"http://{S3}:{stack.storage.port}",
        "S3_REGION": DEFAULT_REGION,
        "S3_ACCESS_KEY_ID": S3_USER,
        "S3_SECRET_ACCESS_KEY": required("MINIO_ROOT_PASSWORD"),
        "S3_FORCE_PATH_STYLE": "true",
    }


def broker_variables(stack: Stack, app: App) -> dict[str, str]:
    """Return where an app that needs the broker finds it."""
    if QUEUE not in app.needs or stack.queue.broker is not Broker.RABBITMQ:
        return {}
    if not has_broker(stack):
        return {"AMQP_URL": required("AMQP_URL")}
    login = f"{stack.name}:{required('RABBITMQ_PASSWORD')}"
    return {"AMQP_URL": f"amqp://{login}@{BROKER}:{BROKER_PORT}/{stack.name}"}
