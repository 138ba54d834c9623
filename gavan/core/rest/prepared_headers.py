"""Headers of an answer that do not depend on what the database says: its type, what was applied."""

from __future__ import annotations

from gavan.core.rest.config import RestConfig
from gavan.core.rest.errors import Header
from gavan.core.rest.parse.prefer import Preferences
from gavan.core.rest.plan.model import CallPlan, MutatePlan, ReadPlan
from gavan.core.rest.request import Action, ApiRequest


def content_headers(
    request: ApiRequest, content_type: str, config: RestConfig
) -> tuple[Header, ...]:
    """Return Content-Type and, where there is a choice of schemas, Content-Profile."""
    headers = [(b"content-type", content_type.encode("latin-1", "replace"))]
    if request.named_schema or len(config.schemas) > 1:
        headers.append((b"content-profile", request.schema.encode("utf-8")))
    return tuple(headers)


def applied_headers(
    request: ApiRequest, plan: ReadPlan | MutatePlan | CallPlan, config: RestConfig
) -> tuple[Header, ...]:
    """Return Preference-Applied, its tokens in the order of the contract; or nothing."""
    prefer = request.prefer
    echo = {
        "resolution": None,
        "missing": None,
        "return": None,
        "count": prefer.count,
        "tx": prefer.tx if config.tx_override else None,
        "handling": prefer.handling,
        "timezone": prefer.timezone,
        "max-affected": None,
    }
    if isinstance(plan, MutatePlan):
        echo["return"] = prefer.returning
        echo["resolution"] = prefer.resolution if plan.applied_resolution else None
        if request.action in {Action.INSERT, Action.UPDATE}:
            echo["missing"] = prefer.missing
    if request.action in {Action.UPDATE, Action.DELETE, Action.CALL}:
        echo["max-affected"] = _max_affected(prefer)
    tokens = ", ".join(f"{name}={value}" for name, value in echo.items() if value is not None)
    return ((b"preference-applied", tokens.encode("latin-1", "replace")),) if tokens else ()


def _max_affected(prefer: Preferences) -> str | None:
    if prefer.strict and prefer.max_affected is not None:
        return str(prefer.max_affected)
    return None
