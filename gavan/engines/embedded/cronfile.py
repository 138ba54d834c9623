"""The jobs of the stack's `[cron]` as they cross to the cron process: JSON in one variable."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict

from gavan.stack.model import Cron, Overlap

OWN = "gavan:"
"""How names of jobs begin that are not of [cron]; no name that a user can give has a colon"""
OWN_ENVIRONMENT = "GAVAN_CRON_OWN"


def environment_of(job: Cron) -> dict[str, str]:
    """Return the environment that a job's command runs with."""
    own = os.environ.get(OWN_ENVIRONMENT)
    if own is not None and job.name.startswith(OWN):
        return dict(json.loads(own))
    return {name: text for name, text in os.environ.items() if name != OWN_ENVIRONMENT}


def encode_jobs(jobs: Iterable[Cron]) -> str:
    """Return jobs as the text of a variable."""
    return json.dumps([asdict(job) for job in jobs])


def decode_jobs(text: str) -> tuple[Cron, ...]:
    """Return the jobs that ``encode_jobs`` wrote."""
    return tuple(
        Cron(**{**item, "overlap": Overlap(item["overlap"]), "profiles": tuple(item["profiles"])})
        for item in json.loads(text)
    )
