"""Rules about who may what: what callers of the data API could reach past the policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gavan.database.identifier import quote_identifier
from gavan.database.lint.catalogue import dropped, name_of, spell
from gavan.database.lint.rule import Hit, Kind, Step, rule

_TRUSTED = frozenset({"service_role", "postgres", "supabase_admin"})
_READS = frozenset({"select", "usage", "execute"})


@rule(
    "GV363",
    "whoever has the anon key reads and writes every row of it",
    "CreateStmt", "CreateTableAsStmt",
)  # fmt: skip
def open_tables(step: Step) -> Iterator[Hit]:
    tree = step.tree
    if step.node == "CreateTableAsStmt" and tree.objtype.name != "OBJECT_TABLE":
        return
    relation = tree.relation if step.node == "CreateStmt" else tree.into.rel
    name = name_of(relation)
    is_gone = name not in step.whole.tables
    if relation.relpersistence == "t" or name[0] not in step.exposed or is_gone:
        return
    if name not in step.whole.guarded:
        mend = f"alter table {spell(name)} enable row level security; and policies for who may what"
        yield step.hit(f"{spell(name)} has no row level security", mend, at=relation.location)


@rule(
    "GV364",
    "the policies of the tables do not hold for who comes this way",
    "CreatePolicyStmt",
    "ViewStmt",
    "CreateFunctionStmt",
)
def open_doors(step: Step) -> Iterator[Hit]:
    if step.node == "CreatePolicyStmt":
        yield from _policy(step)
    elif step.node == "ViewStmt":
        yield from _view(step)
    else:
        yield from _function(step)


def _policy(step: Step) -> Iterator[Hit]:
    tree = step.tree
    roles = {role.rolename or "public" for role in tree.roles or ()} or {"public"}
    if tree.cmd_name == "select" or not tree.permissive or roles <= _TRUSTED:
        return
    for clause, condition in (("using", tree.qual), ("with check", tree.with_check)):
        if _is_true(condition):
            mend = f"name the owner: {clause} (user_id = (select auth.uid()))"
            message = f"policy {quote_identifier(tree.policy_name)} lets {', '.join(sorted(roles))}"
            yield step.hit(f"{message} write any row: {clause} (true)", mend)
            return


def _is_true(condition: Any) -> bool:
    return type(condition).__name__ == "A_Const" and getattr(condition.val, "boolval", None) is True


def _view(step: Step) -> Iterator[Hit]:
    name = name_of(step.tree.view)
    options = {option.defname: option.arg for option in step.tree.options or ()}
    asked = options.get("security_invoker")
    is_on = "security_invoker" in options and getattr(asked, "sval", "true") in (
        "true", "on", "yes", "1",
    )  # fmt: skip
    if name[0] in step.exposed and not is_on and step.tree.view.relpersistence != "t":
        mend = f"alter view {spell(name)} set (security_invoker = true);"
        yield step.hit(f"view {spell(name)} reads with its owner's rights", mend,
                       at=step.tree.view.location)  # fmt: skip


def _function(step: Step) -> Iterator[Hit]:
    options: dict[str, list[Any]] = {}
    for option in step.tree.options or ():
        options.setdefault(option.defname, []).append(option.arg)
    definer = options.get("security", [None])[-1]
    if definer is None or not definer.boolval:
        return
    if any(setting.name == "search_path" for setting in options.get("set", ())):
        return
    name = dropped(step.tree.funcname)
    mend = f"alter function {spell(name)} set search_path = ''; and write schema.name inside it"
    yield step.hit(f"SECURITY DEFINER without search_path: {spell(name)}", mend)


@rule(
    "GV368",
    "it outlives the migration, in the database and in the repository",
    "GrantStmt", "AlterRoleStmt", "CreateRoleStmt", "CopyStmt",
    kinds=(Kind.UP, Kind.SEED),
)  # fmt: skip
def gifts(step: Step) -> Iterator[Hit]:
    tree = step.tree
    if step.node == "GrantStmt":
        yield from _grant(step)
    elif step.node == "CopyStmt":
        if tree.is_program:
            mend = "load the rows from outside: gavan db psql, \\copy"
            yield step.hit("COPY PROGRAM runs a command on the server", mend)
    else:
        yield from _role(step)


def _grant(step: Step) -> Iterator[Hit]:
    tree = step.tree
    if not tree.is_grant or tree.objtype.name not in ("OBJECT_TABLE", "OBJECT_SCHEMA"):
        return
    given = {right.priv_name for right in tree.privileges or ()} or {"all"}
    to = {role.rolename or "public" for role in tree.grantees} & {"anon", "public"}
    if to and not given <= _READS:
        who = ", ".join(sorted(to))
        mend = f"grant {', '.join(sorted(given))} to authenticated; to {who} select at most"
        yield step.hit(f"{', '.join(sorted(given)).upper()} is granted to {who}", mend)


def _role(step: Step) -> Iterator[Hit]:
    tree = step.tree
    name = quote_identifier(tree.role if isinstance(tree.role, str) else tree.role.rolename or "")
    for option in tree.options or ():
        if option.defname in ("superuser", "issuperuser") and option.arg.boolval:
            mend = "grant the one right that is missing, or a predefined role (pg_read_all_data)"
            yield step.hit(f"role {name} becomes a superuser", mend)
        elif option.defname == "password" and option.arg is not None:
            mend = "set it outside of the repository: gavan db psql, \\password"
            yield step.hit(f"the password of role {name} is written in the file", mend)


RULES = (open_tables, open_doors, gifts)
