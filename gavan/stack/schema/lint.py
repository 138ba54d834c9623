"""The rules of `gavan migrate lint`: their codes, what each finds, and their levels by default.

Stands in the schema of the stack file, so that a rule is a key like any other: known to
suggestions, to the reference and to the annotated example. What a rule looks for and how it is
mended is in gavan/database/lint/rules.
"""

from __future__ import annotations

from gavan.stack.schema.key import Key, Kind, Section

LEVELS = ("off", "warn", "error")


def _rule(code: str, level: str, meaning: str) -> Key:
    return Key(name=code, kind=Kind.CHOICE, default=level, choices=LEVELS, meaning=meaning)


MIGRATIONS_LINT = Section(
    path=("database", "migrations", "lint"),
    meaning="Levels of the rules of `gavan migrate lint`; each is explained in lint.md.",
    keys=(
        _rule("GV350", "error", "DROP TABLE, COLUMN, TYPE or SCHEMA, and TRUNCATE."),
        _rule("GV351", "error", "A column's type changes, or SET NOT NULL without a proof."),
        _rule("GV352", "error", "ADD COLUMN that is NOT NULL without default, or is rewritten."),
        _rule("GV353", "error", "CREATE INDEX without CONCURRENTLY on a table that is in use."),
        _rule("GV354", "error", "A foreign key or CHECK that is validated while it is added."),
        _rule("GV355", "warn", "RENAME of a table, view or column."),
        _rule("GV356", "error", "CONCURRENTLY or VACUUM among other statements."),
        _rule("GV357", "warn", "UPDATE or DELETE of every row."),
        _rule("GV358", "error", "UNIQUE or PRIMARY KEY that builds its index while it is added."),
        _rule("GV359", "warn", "LOCK TABLE, VACUUM FULL, CLUSTER, REINDEX."),
        _rule("GV360", "warn", "DROP without IF EXISTS in a down file."),
        _rule("GV361", "error", "A reserved word as a name, without quotes."),
        _rule("GV362", "error", "MySQL: INDEX in CREATE TABLE, AUTO_INCREMENT, `x`, ENGINE=."),
        _rule("GV363", "error", "A table of an exposed schema without row level security."),
        _rule("GV364", "error", "Policy, view or function that lets callers past the policies."),
        _rule("GV365", "warn", "Foreign key without index, no primary key, an index twice."),
        _rule("GV366", "warn", "timestamp without time zone, varchar(n), serial, json."),
        _rule("GV367", "warn", "ivfflat index on a table that is still empty."),
        _rule("GV368", "error", "Rights for everybody, SUPERUSER, COPY PROGRAM, a password."),
        _rule("GV369", "warn", "Materialized view without a unique index."),
        _rule("GV370", "warn", "An enum value used in the transaction that adds it."),
        _rule("GV371", "error", "Change of what belongs to auth, storage or realtime."),
        _rule("GV372", "error", "An allow comment without a reason, or for no rule."),
        _rule("GV373", "error", "A graph's closure that misses the paths a new edge joins."),
        _rule("GV374", "warn", "A seed whose second run adds its rows again."),
        _rule("GV375", "warn", "CREATE EXTENSION that fails or lands in the wrong schema."),
        _rule("GV376", "warn", "A table in a publication without replica identity."),
    ),
)  # fmt: skip
