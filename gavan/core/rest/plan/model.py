"""The plan tree: what plan decides and sql writes down. Names shared by both live here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gavan.core.rest.parse.model import JsonStep, Predicate
from gavan.core.rest.schema_cache import Name, Pairs, Parameter, Returns

SOURCE = "pgrst_source"
"""CTE of a mutation or a call that the representation reads from"""
CALL = "pgrst_call"
"""Alias of a function's result"""
SCALAR = "pgrst_scalar"
"""Column of a scalar result"""


class Body(StrEnum):
    """Shape of the body that Postgres makes."""

    ARRAY = "array"
    OBJECT = "object"
    CSV = "csv"
    GEOJSON = "geojson"
    """A collection of features, made with PostGIS"""
    TEXT = "text"
    """The one value as it is"""
    BYTES = "bytes"
    """The one value of a bytea"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain:
    """The statement is explained instead of run; options as in EXPLAIN."""

    format: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """The negotiated media type."""

    body: Body
    content_type: str
    strip_nulls: bool = False
    explain: Explain | None = None
    aggregate: Name | None = None
    """Aggregate of the user's that makes the body out of the rows"""
    row_type: Name | None = None
    """What the rows are cast to for it"""


@dataclass(frozen=True, slots=True)
class Ref:
    """A column (or computed column) with its JSON path, ready to be written.

    ``to_json``: the column is not JSON, so arrows need to_jsonb around it.
    ``to_tsvector``: text search on a column that is no tsvector.
    """

    name: str
    path: tuple[JsonStep, ...] = ()
    to_json: bool = False
    to_tsvector: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One selected field; ``alias`` None keeps the database's name.

    ``hoisted``: the aggregate is left to the nearest ancestor that is no spread. A hoisted count of
    rows has the name ``*``.
    """

    ref: Ref
    alias: str | None = None
    shown_by: Name | None = None
    """Function that makes JSON of the column's domain"""
    cast: str | None = None
    aggregate: str | None = None
    aggregate_cast: str | None = None
    hoisted: bool = False


@dataclass(frozen=True, slots=True)
class Lifted:
    """A column that a spread gives to its parent, with the aggregate the parent has to apply."""

    name: str
    aggregate: str | None = None
    cast: str | None = None


@dataclass(frozen=True, slots=True)
class Test:
    """A predicate on a column of the node itself."""

    ref: Ref
    predicate: Predicate
    read_by: Name | None = None
    """Function that makes the column's domain of the value's text"""


@dataclass(frozen=True, slots=True)
class NullEmbed:
    """``embed=is.null`` (``negated``: not.is.null); ``join`` is the lateral alias."""

    join: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Group:
    """``and`` or ``or`` over conditions."""

    op: str
    children: tuple[Where, ...]
    negated: bool = False


Where = Test | NullEmbed | Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """A sort key; ``join`` names the lateral alias of a to-one embed."""

    ref: Ref
    direction: str | None = None
    nulls: str | None = None
    join: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyJoin:
    """Rows of the child belong to the parent's row by equal columns."""

    columns: Pairs
    """(column of the parent or, with a junction, of the junction; column of the child)"""
    junction: Name | None = None
    junction_to_parent: Pairs = ()
    """(column of the parent, column of the junction)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionJoin:
    """Rows of the child are what a function returns for the parent's row."""

    function: Name
    row_type: Name


class Shape(StrEnum):
    """What an embed becomes in its parent."""

    OBJECT = "object"
    ARRAY = "array"
    SPREAD = "spread"
    SPREAD_ARRAYS = "spread_arrays"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Embed:
    """A child of a read node."""

    key: str
    """Key in the answer"""
    join_alias: str
    shape: Shape
    to_one: bool
    inner: bool
    join: KeyJoin | FunctionJoin
    node: ReadNode
    spread: tuple[Lifted, ...] = ()
    """What a spread lifts into the parent"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadNode:
    """One SELECT. ``source`` None reads the CTE of a mutation or call."""

    source: Name | None
    alias: str
    outputs: tuple[Output, ...]
    where: tuple[Where, ...] = ()
    order: tuple[Sort, ...] = ()
    limit: int | None = None
    offset: int = 0
    embeds: tuple[Embed, ...] = ()
    hoists: bool = False
    """A to-one spread: aggregates of its spreads pass through it"""
    in_key_order: bool = False
    """Columns stand in jsonb's order of keys: JSON of a row needs no jsonb to look like it"""

    @property
    def limited(self) -> bool:
        return self.limit is not None or self.offset > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How the total is found; ``ceiling`` bounds the exact part of an estimate."""

    kind: str
    ceiling: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlan:
    """GET or HEAD on a relation."""

    node: ReadNode
    format: Format
    count: Count | None
    head: bool


@dataclass(frozen=True, slots=True)
class Target:
    """A column that a mutation writes, or an argument: name, type in the body, its default."""

    name: str
    type: str
    default: str | None = None
    read_by: Name | None = None
    """Function that makes the column's domain of the JSON in the body"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRows:
    """Rows that Postgres reads from the JSON body."""

    raw: bytes
    is_array: bool
    targets: tuple[Target, ...]
    apply_defaults: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """INSERT; ``conflict`` () is none; ``keys`` are the conditions of a PUT."""

    table: Name
    body: BodyRows
    conflict: tuple[str, ...] = ()
    merge: bool = False
    put: tuple[Where, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """UPDATE; no targets means that nothing is to be done."""

    table: Name
    body: BodyRows
    where: tuple[Where, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """DELETE."""

    table: Name
    where: tuple[Where, ...]


Mutation = Insert | Update | Delete


@dataclass(frozen=True, slots=True, kw_only=True)
class MutatePlan:
    """POST, PUT, PATCH or DELETE on a relation."""

    mutation: Mutation
    node: ReadNode
    returning: tuple[str, ...]
    """Columns of RETURNING; () returns nothing but a row count"""
    represents: bool
    """Whether the answer has a body"""
    format: Format
    counts_inserted: bool = False
    location: tuple[str, ...] = ()
    """Primary key columns that Location is made of; () asks for none"""
    applied_resolution: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedArguments:
    """Values of a GET or a form: text casts to the parameter's type."""

    values: tuple[tuple[Parameter, str | tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyArguments:
    """Arguments out of a JSON object."""

    body: BodyRows
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeBody:
    """The body is the one unnamed argument."""

    raw: bytes
    type: str


Arguments = NamedArguments | BodyArguments | WholeBody


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """A function call."""

    function: Name
    arguments: Arguments
    returns: Returns
    returns_set: bool
    node: ReadNode
    returning: tuple[str, ...]
    format: Format
    count: Count | None
    head: bool
    read_only: bool
    isolation: str | None = None
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class InfoPlan:
    """OPTIONS: nothing runs, ``allow`` is the answer."""

    allow: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RootPlan:
    """The OpenAPI document of a schema."""

    schema: str
    head: bool


Plan = ReadPlan | MutatePlan | CallPlan | InfoPlan | RootPlan
