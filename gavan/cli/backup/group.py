"""`gavan backup`: the verbs, each declared in the file of its kind beside this one."""

from __future__ import annotations

from gavan.cli.backup.drill import command as drill
from gavan.cli.backup.fetch import fetched
from gavan.cli.backup.listing import keep, listing, show
from gavan.cli.backup.prune import pruned
from gavan.cli.backup.restore import command as restore
from gavan.cli.backup.run import run
from gavan.cli.backup.verify import check
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
for command in (run, listing, show, check, keep, pruned, fetched, restore, drill):
    group.add_command(command)
