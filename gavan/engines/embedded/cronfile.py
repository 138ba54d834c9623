"""The jobs of the stack's `[cron]` as they cross to the cron process: JSON in one variable."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from gavan.stack.model import Cron, Overlap


def encode_jobs(jobs: Iterable[Cron]) -> str:
    """Return jobs as the text of a variable."""
    return json.dumps([asdict(job) for job in jobs])


def decode_jobs(text: str) -> tuple[Cron, ...]:
    """Return the jobs that ``encode_jobs`` wrote."""
    return tuple(
        Cron(**{**item, "overlap": Overlap(item["overlap"]), "profiles": tuple(item["profiles"])})
        for item in json.loads(text)
    )
