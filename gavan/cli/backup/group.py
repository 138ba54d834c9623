"""`gavan backup`: the verbs, each declared in the file of its kind beside this one."""

from __future__ import annotations

from gavan.cli.backup.listing import keep, listing, show
from gavan.cli.backup.run import run
from gavan.cli.backup.verify import check
from gavan.cli.verb import VerbGroup

group = VerbGroup(
    "backup",
    help="Make backups of database and objects, look at them, and keep the right ones.",
    examples=[
        "gavan backup run",
        "gavan backup list",
        "gavan backup show latest",
        "gavan backup verify",
        "gavan backup keep latest --reason 'before the move'",
    ],
)
for command in (run, listing, show, check, keep):
    group.add_command(command)
