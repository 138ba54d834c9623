"""What migration files make: tables, indexes, policies, as far as their statements say it.

Stands under the rules, which ask it what is new in a file and what exists in the end. Nothing is
asked of a database: a lint must run where none is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gavan.database.identifier import quote_identifier

Name = tuple[str, str]
"""Schema and name; a name without schema is in public."""


@dataclass(slots=True, kw_only=True)
class Table:
    """``columns`` are types by name, without their arguments."""

    columns: dict[str, str] = field(default_factory=dict)
    has_key: bool = False
    may_have_key: bool = False
    """From another table, or from a type."""
    identity: str = "d"
    """By Postgres' letter (pg_class.relreplident): d is the key, n is nothing."""

    @property
    def is_anonymous(self) -> bool:
        """Nothing tells its rows apart in a publication."""
        has_key = self.has_key or self.may_have_key
        return self.identity == "n" or (self.identity == "d" and not has_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """``columns`` are names, an expression is empty; ``text`` tells two indexes apart."""

    table: Name
    columns: tuple[str, ...]
    unique: bool
    text: str


@dataclass(slots=True, kw_only=True)
class Catalogue:
    """The sum of the statements learnt."""

    tables: dict[Name, Table] = field(default_factory=dict)
    indexes: list[Index] = field(default_factory=list)
    relations: set[Name] = field(default_factory=set)
    """Tables, views and materialized views."""
    schemas: set[str] = field(default_factory=set)
    guarded: set[Name] = field(default_factory=set)
    """Tables with row level security."""
    enums: set[tuple[str, ...]] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    """Values added to enums that are older."""
    proofs: dict[tuple[Name, str], str] = field(default_factory=dict)
    """(table, constraint) to the column that it proves NOT NULL."""
    validated: set[tuple[Name, str]] = field(default_factory=set)
    """Constraints that a VALIDATE CONSTRAINT has checked."""
    added: set[str] = field(default_factory=set)
    """Names of constraints that ALTER TABLE has added."""

    def has_index(self, table: Name, columns: tuple[str, ...]) -> bool:
        """Say whether an index of the table begins with one of the columns."""
        return any(
            index.table == table and index.columns[:1] and index.columns[0] in columns
            for index in self.indexes
        )

    def is_proven(self, table: Name, column: str) -> bool:
        """Say whether a validated constraint proves the column NOT NULL."""
        return any(
            key[0] == table and of == column and key in self.validated
            for key, of in self.proofs.items()
        )

    def learn(self, tree: Any) -> None:
        """Add what one statement makes."""
        learn = _LEARN.get(type(tree).__name__)
        if learn is not None:
            learn(self, tree)


def name_of(relation: Any) -> Name:
    """Return the name of a RangeVar."""
    return (relation.schemaname or "public", relation.relname)


def spell(name: Name) -> str:
    """Return the name as SQL."""
    return f"{quote_identifier(name[0])}.{quote_identifier(name[1])}"


def words(strings: Any) -> tuple[str, ...]:
    """Return the texts of a tuple of String nodes."""
    return tuple(string.sval for string in strings or ())


def type_of(column: Any) -> str:
    """Return the type's last name: int8, varchar, timestamp."""
    return words(column.typeName.names)[-1] if column.typeName is not None else ""


def kind_of(constraint: Any) -> str:
    """Return the kind of a constraint: UNIQUE, FOREIGN, CHECK, ..."""
    return str(constraint.contype.name).removeprefix("CONSTR_")


def _create(known: Catalogue, tree: Any) -> None:
    name = name_of(tree.relation)
    known.tables.setdefault(name, Table()).may_have_key = _takes_key(tree)
    known.relations.add(name)
    for element in tree.tableElts or ():
        node = type(element).__name__
        if node == "ColumnDef":
            _column(known, name, element)
        elif node == "Constraint":
            _constraint(known, name, element, ())


def _takes_key(tree: Any) -> bool:
    likes = any(type(element).__name__ == "TableLikeClause" for element in tree.tableElts or ())
    return likes or bool(tree.inhRelations) or tree.partbound is not None or bool(tree.ofTypename)


def _column(known: Catalogue, name: Name, column: Any) -> None:
    table = known.tables.setdefault(name, Table())
    table.columns[column.colname] = type_of(column)
    for constraint in column.constraints or ():
        _constraint(known, name, constraint, (column.colname,))


def _constraint(known: Catalogue, name: Name, constraint: Any, columns: tuple[str, ...]) -> None:
    table = known.tables.setdefault(name, Table())
    kind = kind_of(constraint)
    if kind in ("PRIMARY", "UNIQUE"):
        table.has_key = table.has_key or kind == "PRIMARY"
        if constraint.indexname is None:
            keys = words(constraint.keys) or columns
            known.indexes.append(Index(table=name, columns=keys, unique=True, text=""))
    elif kind in ("CHECK", "NOTNULL"):
        _proof(known, name, constraint)


def _proof(known: Catalogue, name: Name, constraint: Any) -> None:
    column = _proven(constraint)
    if not column:
        return
    key = (name, constraint.conname or f"{name[1]}_{column}_not_null")
    known.proofs[key] = column
    if not constraint.skip_validation:
        known.validated.add(key)


def _proven(constraint: Any) -> str:
    """Return the column that `check (column is not null)` or `not null column` is about."""
    if kind_of(constraint) == "NOTNULL":
        return words(constraint.keys)[0] if constraint.keys else ""
    test = constraint.raw_expr
    if type(test).__name__ != "NullTest" or test.nulltesttype.name != "IS_NOT_NULL":
        return ""
    return str(words(test.arg.fields)[-1]) if type(test.arg).__name__ == "ColumnRef" else ""


def _alter(known: Catalogue, tree: Any) -> None:
    name = name_of(tree.relation)
    for command in tree.cmds:
        kind = command.subtype.name
        if kind == "AT_AddColumn":
            _column(known, name, command.def_)
        elif kind == "AT_AddConstraint":
            _constraint(known, name, command.def_, ())
            known.added.add(command.def_.conname or "")
        elif kind == "AT_ValidateConstraint":
            known.validated.add((name, command.name))
        elif kind == "AT_ReplicaIdentity":
            known.tables.setdefault(name, Table()).identity = command.def_.identity_type
        elif kind == "AT_EnableRowSecurity":
            known.guarded.add(name)
        elif kind == "AT_DisableRowSecurity":
            known.guarded.discard(name)


def _index(known: Catalogue, tree: Any) -> None:
    columns = tuple(part.name or "" for part in tree.indexParams)
    known.indexes.append(
        Index(
            table=name_of(tree.relation),
            columns=columns,
            unique=bool(tree.unique),
            text=index_text(tree),
        )
    )


def index_text(tree: Any) -> str:
    """Return what an index is apart from its name, so that two of one text do the same."""
    from pglast.stream import RawStream  # noqa: PLC0415 - slow to load; only a lint needs it

    parts = [RawStream()(part) for part in (*tree.indexParams, *(tree.indexIncludingParams or ()))]
    where = RawStream()(tree.whereClause) if tree.whereClause is not None else ""
    unique = "unique" if tree.unique else ""
    return f"{unique} {tree.accessMethod} {name_of(tree.relation)} {parts} {where}"


def _view(known: Catalogue, tree: Any) -> None:
    known.relations.add(name_of(tree.view))


def _table_as(known: Catalogue, tree: Any) -> None:
    name = name_of(tree.into.rel)
    known.relations.add(name)
    if tree.objtype.name == "OBJECT_TABLE":
        known.tables.setdefault(name, Table())


def _schema(known: Catalogue, tree: Any) -> None:
    known.schemas.add(tree.schemaname or "")
    for element in tree.schemaElts or ():
        known.learn(element)


def _enum(known: Catalogue, tree: Any) -> None:
    known.enums.add(words(tree.typeName)[-1:])


def _value(known: Catalogue, tree: Any) -> None:
    # A type that is new itself may be used at once.
    if tree.newVal and words(tree.typeName)[-1:] not in known.enums:
        known.values.add(tree.newVal)


def _drop(known: Catalogue, tree: Any) -> None:
    if tree.removeType.name != "OBJECT_TABLE":
        return
    for parts in tree.objects:
        name = dropped(parts)
        known.tables.pop(name, None)
        known.relations.discard(name)
        known.guarded.discard(name)
        known.indexes = [index for index in known.indexes if index.table != name]


def dropped(parts: Any) -> Name:
    """Return the name in an object list of DROP."""
    texts = ("public", *words(parts))
    return (texts[-2], texts[-1])


_LEARN = {
    "CreateStmt": _create,
    "AlterTableStmt": _alter,
    "IndexStmt": _index,
    "ViewStmt": _view,
    "CreateTableAsStmt": _table_as,
    "CreateSchemaStmt": _schema,
    "CreateEnumStmt": _enum,
    "AlterEnumStmt": _value,
    "DropStmt": _drop,
}
