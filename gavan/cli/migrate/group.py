"""`gavan migrate`: the verbs, each declared in the file of its kind beside this one."""

from __future__ import annotations

from gavan.cli.verb import VerbGroup

group = VerbGroup(
    "migrate",
    help="Change the schema by numbered SQL files.",
    examples=[
        "gavan migrate new add_due_date --down",
        "gavan migrate plan",
        "gavan migrate up",
        "gavan migrate down",
        "gavan migrate verify",
        "gavan migrate diff",
        "gavan migrate status",
        "gavan migrate lint",
    ],
)
_HERE = "gavan.cli.migrate"
# Every start of a stack runs `up`; it shall not wait until what compares schemas is loaded.
group.later(
    new=f"{_HERE}.new:new",
    plan=f"{_HERE}.plan:plan",
    up=f"{_HERE}.up:up",
    down=f"{_HERE}.down:down",
    verify=f"{_HERE}.verify:prove",
    status=f"{_HERE}.status:show",
    lint=f"{_HERE}.lint:lint",
    diff=f"{_HERE}.drift:diff",
    baseline=f"{_HERE}.drift:mark_baseline",
    repair=f"{_HERE}.drift:mark",
    squash=f"{_HERE}.squash:squash",
    adopt=f"{_HERE}.adopt:adopt",
    unlock=f"{_HERE}.unlock:unlock",
    schema=f"{_HERE}.schema:schema",
)
