"""What the query string says, as frozen values: the output of the parse stage."""

from __future__ import annotations

from dataclasses import dataclass, field

Path = tuple[str, ...]
"""Names of embeds from the root down to where something applies; () is the root."""


@dataclass(frozen=True, slots=True)
class JsonStep:
    """``->key``, ``->0`` or, as text, ``->>key``."""

    key: str | int
    as_text: bool


@dataclass(frozen=True, slots=True)
class Field:
    """A column name and the way into its JSON."""

    name: str
    path: tuple[JsonStep, ...] = ()


@dataclass(frozen=True, slots=True)
class SelectField:
    """One plain item of ``select``; name ``*`` is every column."""

    field: Field
    alias: str | None = None
    cast: str | None = None
    aggregate: str | None = None
    aggregate_cast: str | None = None


@dataclass(frozen=True, slots=True)
class SelectEmbed:
    """One embedded relation of ``select``; a spread has no alias."""

    target: str
    items: tuple[SelectItem, ...]
    alias: str | None = None
    hint: str | None = None
    inner: bool = False
    spread: bool = False

    @property
    def name(self) -> str:
        """The key in the answer."""
        return self.alias or self.target


SelectItem = SelectField | SelectEmbed


@dataclass(frozen=True, slots=True)
class Predicate:
    """``[not.]op[(option)].value``; option is any, all or a text search language."""

    op: str
    value: str
    negated: bool = False
    option: str | None = None
    values: tuple[str, ...] = ()
    """Elements of ``in``."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A predicate on a field."""

    field: Field
    predicate: Predicate


@dataclass(frozen=True, slots=True)
class Logic:
    """``and`` or ``or`` over filters and further logic."""

    op: str
    children: tuple[Condition, ...]
    negated: bool = False


Condition = Filter | Logic


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """One sort key; ``relation`` is an embedded to-one relation."""

    field: Field
    direction: str | None = None
    nulls: str | None = None
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows to return: ``limit`` None is all of them."""

    limit: int | None = None
    offset: int = 0


ALL_ROWS = RowRange()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryParams:
    """The whole query string."""

    select: tuple[SelectItem, ...] = (SelectField(Field("*")),)
    filters: tuple[tuple[Path, Filter], ...] = ()
    logic: tuple[tuple[Path, Logic | Filter], ...] = ()
    order: tuple[tuple[Path, tuple[OrderTerm, ...]], ...] = ()
    ranges: dict[Path, RowRange] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    """Values of a function call: keys whose value is not an operator expression."""
    canonical: str = ""
    """The parameters sorted by name and encoded again, for Content-Location."""
