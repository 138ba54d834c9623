"""Which tables a statement locks against others, how strongly, and whether it writes them anew.

Stands beside the losses, under the plans that show it before anything runs; pure. The levels are
Postgres' own (postgres/postgres:src/backend/commands/tablecmds.c AlterTableGetLockLevel and
doc/src/sgml/mvcc.sgml); a test holds them against pg_locks of a server. What functions, triggers
and DO blocks do is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from gavan.database.lint.catalogue import Name, dropped, kind_of, name_of
from gavan.database.lint.new_column import is_rewritten_by
from gavan.database.migration.split import Statement


class Mode(IntEnum):
    """Lock modes by strength; those that only read are not told."""

    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    def __str__(self) -> str:
        return self.name.replace("_", " ")

    @property
    def meaning(self) -> str:
        """Who waits for whoever holds it."""
        if self is Mode.ACCESS_EXCLUSIVE:
            return "readers and writers wait"
        if self >= Mode.SHARE:
            return "writers wait"
        if self is Mode.SHARE_UPDATE_EXCLUSIVE:
            return "other changes of the schema wait"
        return "other writers of the same rows wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A lock on one table; ``rewrites`` when all its rows are written anew under it."""

    table: Name
    mode: Mode
    rewrites: bool = False


def locks(statement: Statement) -> list[Taken]:
    """Return the strongest lock per table that the statement takes, in the order of the tables."""
    if statement.is_comment:
        return []
    tree = statement.tree()
    found = _LOCKS.get(type(tree).__name__, _nothing)(tree)
    strongest: dict[Name, Taken] = {}
    for taken in found:
        before = strongest.get(taken.table)
        if before is None or (taken.mode, taken.rewrites) > (before.mode, before.rewrites):
            strongest[taken.table] = taken
    return list(strongest.values())


_WEAK_COMMANDS = {
    "AT_SetStatistics": Mode.SHARE_UPDATE_EXCLUSIVE,
    "AT_SetOptions": Mode.SHARE_UPDATE_EXCLUSIVE,
    "AT_ResetOptions": Mode.SHARE_UPDATE_EXCLUSIVE,
    "AT_SetRelOptions": Mode.SHARE_UPDATE_EXCLUSIVE,
    "AT_ResetRelOptions": Mode.SHARE_UPDATE_EXCLUSIVE,
    "AT_ClusterOn": Mode.SHARE_UPDATE_EXCLUSIVE,
    "AT_DropCluster": Mode.SHARE_UPDATE_EXCLUSIVE,
    "AT_ValidateConstraint": Mode.SHARE_UPDATE_EXCLUSIVE,
    "AT_AttachPartition": Mode.SHARE_UPDATE_EXCLUSIVE,
    "AT_EnableTrig": Mode.SHARE_ROW_EXCLUSIVE,
    "AT_DisableTrig": Mode.SHARE_ROW_EXCLUSIVE,
    "AT_EnableAlwaysTrig": Mode.SHARE_ROW_EXCLUSIVE,
    "AT_EnableReplicaTrig": Mode.SHARE_ROW_EXCLUSIVE,
    "AT_EnableTrigAll": Mode.SHARE_ROW_EXCLUSIVE,
    "AT_DisableTrigAll": Mode.SHARE_ROW_EXCLUSIVE,
    "AT_EnableTrigUser": Mode.SHARE_ROW_EXCLUSIVE,
    "AT_DisableTrigUser": Mode.SHARE_ROW_EXCLUSIVE,
}
_REWRITES = frozenset({
    "AT_AlterColumnType", "AT_SetLogged", "AT_SetUnLogged", "AT_SetTableSpace",
    "AT_SetAccessMethod", "AT_SetExpression",
})  # fmt: skip
_TABLES = frozenset({"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW"})
_ON_TABLE = frozenset({"OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"})


def _nothing(_tree: Any) -> Iterator[Taken]:
    return iter(())


def _alter(tree: Any) -> Iterator[Taken]:
    if tree.objtype.name not in _TABLES:
        return
    name = name_of(tree.relation)
    for command in tree.cmds:
        kind = command.subtype.name
        if kind == "AT_AddConstraint":
            yield from _constraint(name, command.def_)
            continue
        if kind == "AT_DetachPartition" and command.def_.concurrent:
            yield Taken(table=name, mode=Mode.SHARE_UPDATE_EXCLUSIVE)
            continue
        is_anew = kind in _REWRITES or (kind == "AT_AddColumn" and is_rewritten_by(command.def_))
        mode = _WEAK_COMMANDS.get(kind, Mode.ACCESS_EXCLUSIVE)
        yield Taken(table=name, mode=mode, rewrites=is_anew)
        if kind == "AT_AddColumn":
            yield from _referenced(command.def_.constraints)
        elif kind in ("AT_AttachPartition", "AT_DetachPartition"):
            yield Taken(table=name_of(command.def_.name), mode=Mode.ACCESS_EXCLUSIVE)
        elif kind == "AT_AddInherit":
            yield Taken(table=name_of(command.def_), mode=Mode.SHARE_UPDATE_EXCLUSIVE)


def _constraint(table: Name, constraint: Any) -> Iterator[Taken]:
    if kind_of(constraint) == "FOREIGN":
        yield Taken(table=table, mode=Mode.SHARE_ROW_EXCLUSIVE)
        yield from _referenced([constraint])
    else:
        yield Taken(table=table, mode=Mode.ACCESS_EXCLUSIVE)


def _referenced(constraints: Any) -> Iterator[Taken]:
    for one in constraints or ():
        if type(one).__name__ == "Constraint" and kind_of(one) == "FOREIGN":
            yield Taken(table=name_of(one.pktable), mode=Mode.SHARE_ROW_EXCLUSIVE)


def _create(tree: Any) -> Iterator[Taken]:
    for parent in tree.inhRelations or ():
        is_partition = tree.partbound is not None
        mode = Mode.ACCESS_EXCLUSIVE if is_partition else Mode.SHARE_UPDATE_EXCLUSIVE
        yield Taken(table=name_of(parent), mode=mode)
    for element in tree.tableElts or ():
        is_column = type(element).__name__ == "ColumnDef"
        yield from _referenced(element.constraints if is_column else [element])


def _index(tree: Any) -> Iterator[Taken]:
    mode = Mode.SHARE_UPDATE_EXCLUSIVE if tree.concurrent else Mode.SHARE
    yield Taken(table=name_of(tree.relation), mode=mode)


def _drop(tree: Any) -> Iterator[Taken]:
    kind = tree.removeType.name
    for parts in tree.objects:
        if kind in _TABLES:
            yield Taken(table=dropped(parts), mode=Mode.ACCESS_EXCLUSIVE)
        elif kind in _ON_TABLE:
            yield Taken(table=dropped(parts[:-1]), mode=Mode.ACCESS_EXCLUSIVE)


def _truncate(tree: Any) -> Iterator[Taken]:
    for relation in tree.relations:
        yield Taken(table=name_of(relation), mode=Mode.ACCESS_EXCLUSIVE)


def _rename(tree: Any) -> Iterator[Taken]:
    if tree.relation is not None and tree.renameType.name != "OBJECT_INDEX":
        yield Taken(table=name_of(tree.relation), mode=Mode.ACCESS_EXCLUSIVE)


def _policy(tree: Any) -> Iterator[Taken]:
    yield Taken(table=name_of(tree.table), mode=Mode.ACCESS_EXCLUSIVE)


def _trigger(tree: Any) -> Iterator[Taken]:
    yield Taken(table=name_of(tree.relation), mode=Mode.SHARE_ROW_EXCLUSIVE)


def _on_relation(tree: Any) -> Iterator[Taken]:
    if tree.relation is not None:
        yield Taken(table=name_of(tree.relation), mode=Mode.ACCESS_EXCLUSIVE)


def _cluster(tree: Any) -> Iterator[Taken]:
    if tree.relation is not None:
        yield Taken(table=name_of(tree.relation), mode=Mode.ACCESS_EXCLUSIVE, rewrites=True)


def _replaced_view(tree: Any) -> Iterator[Taken]:
    if tree.replace:
        yield Taken(table=name_of(tree.view), mode=Mode.ACCESS_EXCLUSIVE)


def _refresh(tree: Any) -> Iterator[Taken]:
    mode = Mode.EXCLUSIVE if tree.concurrent else Mode.ACCESS_EXCLUSIVE
    yield Taken(table=name_of(tree.relation), mode=mode, rewrites=not tree.concurrent)


def _lock(tree: Any) -> Iterator[Taken]:
    for relation in tree.relations:
        if tree.mode > 1:
            yield Taken(table=name_of(relation), mode=Mode(tree.mode))


def _vacuum(tree: Any) -> Iterator[Taken]:
    is_full = any(option.defname == "full" for option in tree.options or ())
    mode = Mode.ACCESS_EXCLUSIVE if is_full else Mode.SHARE_UPDATE_EXCLUSIVE
    for one in tree.rels or ():
        yield Taken(table=name_of(one.relation), mode=mode, rewrites=is_full)


def _reindex(tree: Any) -> Iterator[Taken]:
    if tree.relation is None or tree.kind.name != "REINDEX_OBJECT_TABLE":
        return
    is_apart = any(option.defname == "concurrently" for option in tree.params or ())
    mode = Mode.SHARE_UPDATE_EXCLUSIVE if is_apart else Mode.SHARE
    yield Taken(table=name_of(tree.relation), mode=mode)


def _written(tree: Any) -> Iterator[Taken]:
    yield Taken(table=name_of(tree.relation), mode=Mode.ROW_EXCLUSIVE)


def _copied(tree: Any) -> Iterator[Taken]:
    if tree.is_from and tree.relation is not None:
        yield Taken(table=name_of(tree.relation), mode=Mode.ROW_EXCLUSIVE)


def _comment(tree: Any) -> Iterator[Taken]:
    kind = tree.objtype.name
    if kind in _TABLES:
        yield Taken(table=dropped(tree.object), mode=Mode.SHARE_UPDATE_EXCLUSIVE)
    elif kind == "OBJECT_COLUMN":
        yield Taken(table=dropped(tree.object[:-1]), mode=Mode.SHARE_UPDATE_EXCLUSIVE)


def _statistics(tree: Any) -> Iterator[Taken]:
    for relation in tree.relations:
        yield Taken(table=name_of(relation), mode=Mode.SHARE_UPDATE_EXCLUSIVE)


def _publication(tree: Any) -> Iterator[Taken]:
    for one in tree.pubobjects or ():
        if one.pubtable is not None:
            table = name_of(one.pubtable.relation)
            yield Taken(table=table, mode=Mode.SHARE_UPDATE_EXCLUSIVE)


_LOCKS: dict[str, Callable[[Any], Iterator[Taken]]] = {
    "AlterObjectSchemaStmt": _on_relation,
    "AlterPolicyStmt": _policy,
    "AlterPublicationStmt": _publication,
    "AlterTableStmt": _alter,
    "ClusterStmt": _cluster,
    "CommentStmt": _comment,
    "CopyStmt": _copied,
    "CreatePolicyStmt": _policy,
    "CreatePublicationStmt": _publication,
    "CreateStatsStmt": _statistics,
    "CreateStmt": _create,
    "CreateTrigStmt": _trigger,
    "DeleteStmt": _written,
    "DropStmt": _drop,
    "IndexStmt": _index,
    "InsertStmt": _written,
    "LockStmt": _lock,
    "MergeStmt": _written,
    "RefreshMatViewStmt": _refresh,
    "ReindexStmt": _reindex,
    "RenameStmt": _rename,
    "RuleStmt": _on_relation,
    "TruncateStmt": _truncate,
    "UpdateStmt": _written,
    "VacuumStmt": _vacuum,
    "ViewStmt": _replaced_view,
}
