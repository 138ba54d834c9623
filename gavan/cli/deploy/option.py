"""The flag that verbs of deploy share."""

from __future__ import annotations

import click

host_option = click.option("--host", "name", metavar="HOST", help="Which one, of several.")
