"""What a dump of a database leaves to its server: roles, and the settings of the database itself.

Stands under the load. ``pg_dumpall --globals-only`` has the roles, the archive has the settings
under the database's old name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from gavan.database.migration.history import Connection
from gavan.database.migration.split import Statement, split

_ROLE_KINDS = frozenset({"CreateRoleStmt", "AlterRoleStmt", "AlterRoleSetStmt", "GrantRoleStmt"})
# Of other statements those about a role: rights on parameters, comments.
_ABOUT_ROLES = {"GrantStmt": "OBJECT_PARAMETER_ACL", "CommentStmt": "OBJECT_ROLE"}


def apply_roles(connection: Connection, text: str, *, everything: bool) -> list[str]:
    """Make the roles of a dump of globals that are missing; return what Postgres refused.

    A role that is there keeps its attributes, settings and memberships: it serves other databases
    too. ``everything``: it takes those of the dump, as on a server that has just been made.
    Roles come without passwords; those of the stack are set by the bootstrap.
    """
    there = _roles(connection)
    refused = []
    for statement in split(text):
        if statement.is_comment:
            continue
        tree = statement.tree()
        if not _is_of_role(tree):
            continue
        if type(tree).__name__ == "CreateRoleStmt":
            wanted = tree.role not in there
        else:
            wanted = everything or not there.issuperset(_named(tree))
        if wanted:
            refused += _run(connection, statement.text)
    return refused


def apply_settings(connection: Connection, text: str, database: str) -> list[str]:
    """Give ``database`` the settings, rights and comment that the text gives to another name.

    The text is of ``pg_restore --create``; what creates the database in it, or changes its owner,
    is left out. Return what Postgres refused.
    """
    from pglast.stream import RawStream  # noqa: PLC0415 - slow to load

    refused = []
    for statement in split(text):
        tree = None if statement.is_comment else _renamed(statement, database)
        if tree is not None:
            refused += _run(connection, RawStream()(tree))
    return refused


def without_password(connection: Connection) -> frozenset[str]:
    """Return the roles that may log in and cannot, because they have no password."""
    rows = connection.execute(
        "select rolname from pg_catalog.pg_authid where rolcanlogin and rolpassword is null"
    ).fetchall()
    return frozenset(str(name) for (name,) in rows)


def _renamed(statement: Statement, database: str) -> Any:
    """Return the tree of a statement about a database, with another name; None for others."""
    from pglast.ast import String  # noqa: PLC0415 - slow to load

    tree = statement.own_tree()
    match type(tree).__name__:
        case "AlterDatabaseSetStmt":
            tree.dbname = database
        case "AlterDatabaseStmt" if [o.defname for o in tree.options] == ["connection_limit"]:
            tree.dbname = database
        case "AlterRoleSetStmt" if tree.database:
            tree.database = database
        case "GrantStmt" if tree.objtype.name == "OBJECT_DATABASE":
            tree.objects = (String(sval=database),)
        case "CommentStmt" if tree.objtype.name == "OBJECT_DATABASE":
            tree.object = String(sval=database)
        case _:
            return None
    return tree


def _is_of_role(tree: Any) -> bool:
    kind = type(tree).__name__
    about = _ABOUT_ROLES.get(kind)
    return kind in _ROLE_KINDS or (about is not None and tree.objtype.name == about)


def lost_tablespaces(connection: Connection, text: str) -> list[str]:
    """Return the tablespaces that a dump of globals names and this server does not have."""
    trees = (one.tree() for one in split(text) if not one.is_comment)
    named = {t.tablespacename for t in trees if type(t).__name__ == "CreateTableSpaceStmt"}
    rows = connection.execute("select spcname::text from pg_tablespace").fetchall()
    return sorted(named - {str(name) for (name,) in rows})


def _roles(connection: Connection) -> frozenset[str]:
    rows = connection.execute("select rolname from pg_catalog.pg_roles").fetchall()
    return frozenset(str(name) for (name,) in rows)


def _named(tree: Any) -> Iterator[str]:
    """Yield the roles that a statement is about."""
    kind = type(tree).__name__
    if kind == "GrantRoleStmt":
        yield from (granted.priv_name for granted in tree.granted_roles)
        yield from (role.rolename for role in tree.grantee_roles)
    elif kind == "GrantStmt":
        yield from (role.rolename for role in tree.grantees if role.rolename)
    elif kind == "CommentStmt":
        yield tree.object.sval
    elif tree.role is not None and tree.role.rolename is not None:
        yield tree.role.rolename


def _run(connection: Connection, text: str) -> list[str]:
    try:
        connection.execute(text.encode())
    except psycopg.Error as error:
        return [f"{text.splitlines()[-1][:100]}: {str(error).splitlines()[0]}"]
    return []
