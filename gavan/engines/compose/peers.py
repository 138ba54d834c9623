"""The servers of a stack that are not gavan's: an S3, the job that makes its buckets, a broker.

Stands beside services.py. Their images begin as root and drop it themselves.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict

from gavan.engines.compose.outside import (
    BROKER,
    BUCKETS,
    S3,
    S3_USER,
    has_broker,
    has_s3,
    own_s3,
)
from gavan.engines.compose.rules import Service, check, closed, foreign, limits
from gavan.engines.compose.values import required
from gavan.stack.model import Container, Stack

BUCKETS_LIMITS = Container(memory=128 * 2**20, cpus=0.2)
_OWNERS = ("CHOWN", "DAC_OVERRIDE", "FOWNER")
_WATERMARK = 0.6
"""Part of its memory at which the broker holds publishers back"""


def peers(stack: Stack) -> Iterator[tuple[str, Service]]:
    """Yield the services that the stack file asks for."""
    if has_s3(stack):
        yield S3, _s3(stack)
        yield BUCKETS, _buckets(stack)
    if has_broker(stack):
        yield BROKER, _rabbitmq(stack)


def _s3(stack: Stack) -> Service:
    """Return a server of S3; no question is asked of it that every image could answer, so the job
    of the buckets stands for it."""
    storage = stack.storage
    words = shlex.split(storage.command)
    return {
        "image": storage.container.image,
        **({"command": words} if words else {}),
        "environment": {
            "MINIO_ROOT_USER": S3_USER,
            "MINIO_ROOT_PASSWORD": required("MINIO_ROOT_PASSWORD"),
            "MINIO_BROWSER": "off",
        },
        "volumes": ["s3-data:/data"],
        **foreign(*_OWNERS),
        **limits(storage.container),
        "networks": ["app", "data"],
        "stop_grace_period": "30s",
    }


def _buckets(stack: Stack) -> Service:
    """Return the job that makes the buckets; it may run again at any time."""
    buckets = {name: asdict(bucket) for name, bucket in stack.storage.buckets.items()}
    return {
        "image": required("GAVAN_IMAGE"),
        "command": ["python", "-m", "gavan.kit.storage.s3_buckets"],
        "environment": {**own_s3(stack), "GAVAN_S3_BUCKETS": json.dumps(buckets, sort_keys=True)},
        **closed(),
        "restart": "no",
        **limits(BUCKETS_LIMITS),
        "networks": ["data"],
        "depends_on": {S3: {"condition": "service_started"}},
    }


def _rabbitmq(stack: Stack) -> Service:
    """Return a broker with one user and one virtual host, and no guest.

    The host name is a part of the name of its data.
    """
    container = stack.queue.container
    most = int(container.memory * _WATERMARK)
    return {
        "image": container.image,
        "hostname": BROKER,
        "environment": {
            "RABBITMQ_DEFAULT_USER": stack.name,
            "RABBITMQ_DEFAULT_PASS": required("RABBITMQ_PASSWORD"),
            "RABBITMQ_DEFAULT_VHOST": stack.name,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"-rabbit vm_memory_high_watermark {{absolute,{most}}}"
            ),
        },
        "volumes": ["rabbitmq-data:/var/lib/rabbitmq"],
        **foreign(*_OWNERS, "SETGID", "SETUID"),
        **limits(container),
        "networks": ["data"],
        "stop_grace_period": "60s",
        "healthcheck": {
            **check(["rabbitmq-diagnostics", "-q", "check_running"], start_s=120),
            # The question starts a machine of its own, which costs a second of a processor.
            "interval": "30s",
            "timeout": "20s",
            "start_interval": "3s",
        },
    }
