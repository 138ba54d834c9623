"""The five domains of the API: their tables and what a caller may write in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Name = Annotated[str, Field(min_length=1, max_length=120)]
Amount = Annotated[Decimal, Field(max_digits=14, decimal_places=2)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,79}$")]


class Input(BaseModel):
    """What comes from outside: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class NewWorkspace(Input):
    name: Name


class NewBot(Input):
    workspace_id: UUID
    name: Name
    status: Literal["idle", "running", "stopped", "failed"] = "idle"


class NewResource(Input):
    kind: Literal["server", "proxy", "account", "licence"]
    name: Name
    bot_id: UUID | None = None


class NewFinanceEntry(Input):
    amount: Amount
    currency: Currency
    note: Annotated[str, Field(max_length=500)] = ""
    bot_id: UUID | None = None
    booked_on: date | None = None


class NewSetting(Input):
    key: Key
    value: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A part of the API below ``/api/v1/<name>``, kept in ``table``."""

    name: str
    table: str
    new: type[Input]

    def values(self, given: dict[str, Any], *, partly: bool) -> dict[str, Any]:
        """Return what is to be written, checked field by field; raise pydantic.ValidationError.

        With ``partly`` fields may be missing, as a change has only those it changes.
        """
        if not partly:
            return self.new.model_validate(given).model_dump(mode="json", exclude_unset=True)
        blank = self.new.model_construct()
        fields = self.new.__pydantic_validator__
        for name, value in given.items():
            fields.validate_assignment(blank, name, value)
        return blank.model_dump(mode="json", include=set(given))


DOMAINS = (
    Domain(name="resources", table="resource", new=NewResource),
    Domain(name="workspace", table="workspace", new=NewWorkspace),
    Domain(name="bots", table="bot", new=NewBot),
    Domain(name="finance", table="finance_entry", new=NewFinanceEntry),
    Domain(name="settings", table="setting", new=NewSetting),
)
