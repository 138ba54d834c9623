"""What the data API knows of the database: an immutable snapshot, replaced whole on NOTIFY.

Loaded by ``schema_load.py``; read by the plan stage only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A qualified name of the database."""

    schema: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; ``type`` is as declared, ``base_type`` has domains followed."""

    name: str
    type: str
    base_type: str
    nullable: bool = True
    default: str | None = None
    max_length: int | None = None
    enum: tuple[str, ...] = ()
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """How values of a domain look outside the database: functions to show and to read them."""

    to_json: Name | None = None
    from_json: Name | None = None
    from_text: Name | None = None


Represented = Mapping[str, Representation]
PLAIN: Represented = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table, partitioned table, foreign table, view or materialized view."""

    name: Name
    columns: Mapping[str, Column]
    primary_key: tuple[str, ...] = ()
    is_view: bool = False
    insertable: bool = True
    updatable: bool = True
    deletable: bool = True
    comment: str | None = None
    represented: Represented = field(default_factory=lambda: PLAIN)
    """Columns whose domain has a look of its own, by name"""


class Cardinality(StrEnum):
    """How many rows of the foreign side belong to one of this side."""

    MANY_TO_ONE = "many-to-one"
    ONE_TO_MANY = "one-to-many"
    ONE_TO_ONE = "one-to-one"
    MANY_TO_MANY = "many-to-many"


Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Junction:
    """The table between two tables of a many-to-many relationship."""

    table: Name
    source_constraint: str
    target_constraint: str
    source_columns: Pairs
    """(column of the origin, column of the junction)"""
    target_columns: Pairs
    """(column of the foreign table, column of the junction)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """A way from ``table`` to ``foreign`` by key."""

    table: Name
    foreign: Name
    cardinality: Cardinality
    constraint: str
    columns: Pairs = ()
    """(column of table, column of foreign); empty for many-to-many"""
    junction: Junction | None = None
    table_is_view: bool = False
    foreign_is_view: bool = False
    is_parent: bool = False
    """Whether the key lies on the foreign side"""

    @property
    def is_self(self) -> bool:
        return self.table == self.foreign

    @property
    def to_one(self) -> bool:
        return self.cardinality in {Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_ONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedRelationship:
    """A way from ``table`` to ``foreign`` by a function that takes a row."""

    table: Name
    foreign: Name
    function: Name
    to_one: bool


AnyRelationship = Relationship | ComputedRelationship


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """An input parameter; ``type`` for casts has no length."""

    name: str
    type: str
    required: bool
    variadic: bool = False


class Returns(StrEnum):
    """What one row of a function's result is."""

    VOID = "void"
    SCALAR = "scalar"
    COMPOSITE = "composite"


@dataclass(frozen=True, slots=True)
class Media:
    """A media type made by a function that returns a domain of that name; ``*/*`` is any.

    The function called makes it itself, or an aggregate, ``function``, over the rows of an answer:
    cast to ``row_type``, or as they are.
    """

    name: str
    is_binary: bool
    function: Name | None = None
    row_type: Name | None = None


Medias = Mapping[str, Media]
"""By name"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routine:
    """A function that may be called."""

    name: Name
    parameters: tuple[Parameter, ...]
    returns: Returns
    returns_set: bool
    volatility: str
    """``v``, ``s`` or ``i`` as in pg_proc"""
    relation: Name | None = None
    """The relation whose rows it returns, or the named composite type"""
    return_type: str = ""
    isolation: str | None = None
    media: Media | None = None
    settings: tuple[tuple[str, str], ...] = ()
    comment: str | None = None

    @property
    def is_scalar(self) -> bool:
        return self.returns is not Returns.COMPOSITE

    @property
    def has_variadic(self) -> bool:
        return any(parameter.variadic for parameter in self.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaCache:
    """The snapshot. Relationships are keyed by origin; all lie in exposed schemas."""

    tables: Mapping[Name, Table] = field(default_factory=dict)
    relationships: Mapping[Name, tuple[AnyRelationship, ...]] = field(default_factory=dict)
    routines: Mapping[Name, tuple[Routine, ...]] = field(default_factory=dict)
    medias: Mapping[Name | None, Medias] = field(default_factory=dict)
    """Media types that aggregates make of a relation's rows; None are those of any rows"""
    comments: Mapping[str, str | None] = field(default_factory=dict)
    """Comment of each exposed schema"""
