"""`gavan backup`: the verbs, each declared in the file of its kind beside this one."""

from __future__ import annotations

from gavan.cli.verb import VerbGroup

group = VerbGroup(
    "backup",
    help="Make backups of database and objects, prove them, and restore them.",
    examples=[
        "gavan backup run",
        "gavan backup list",
        "gavan backup show latest",
        "gavan backup verify",
        "gavan backup drill",
        "gavan backup restore latest",
        "gavan backup keep latest --reason 'before the move'",
        "gavan backup prune --dry-run",
    ],
)
_HERE = "gavan.cli.backup"
# A listing shall not wait until what drives a drill is loaded.
group.later(
    run=f"{_HERE}.run:run",
    list=f"{_HERE}.listing:listing",
    show=f"{_HERE}.listing:show",
    keep=f"{_HERE}.listing:keep",
    verify=f"{_HERE}.verify:check",
    prune=f"{_HERE}.prune:pruned",
    fetch=f"{_HERE}.fetch:fetched",
    restore=f"{_HERE}.restore:command",
    drill=f"{_HERE}.drill:command",
    age=f"{_HERE}.watch:command",
    wal=f"{_HERE}.wal:receiving",
)
