"""The table of verbs: where each one lives and its short help, so that help loads none of them.

Stands under main.py: a new verb is one module and one row here. The object named after the colon
is made by gavan.cli.verb (`verb` or `VerbGroup`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    target: str
    help: str


VERBS: dict[str, Row] = {
    "init": Row("gavan.cli.init:command", "Begin a stack: write gavan.toml"),
    "check": Row("gavan.cli.check:command", "Find every mistake in the stack file"),
    "config": Row("gavan.cli.config:command", "Print what the stack file says, defaults included"),
    "up": Row("gavan.cli.up:command", "Start the stack, or bring a running one up to date"),
    "dev": Row("gavan.cli.dev:command", "Run the stack here, with hot reload and all logs"),
    "down": Row("gavan.cli.down:command", "Stop the stack"),
    "status": Row("gavan.cli.status:command", "Show what every unit is doing"),
    "logs": Row("gavan.cli.logs:command", "Show what units printed"),
    "restart": Row("gavan.cli.one_unit:restart", "Restart units of a running stack"),
    "start": Row("gavan.cli.one_unit:start", "Start units that were stopped or given up"),
    "stop": Row("gavan.cli.one_unit:stop", "Stop units of a running stack"),
    "core": Row("gavan.cli.core:command", "Serve the data API alone, as PostgREST does"),
    "exec": Row("gavan.cli.exec:command", "Run a command with the environment of a unit"),
    "migrate": Row("gavan.cli.migrate.group:group", "Change the schema by numbered SQL files"),
    "backup": Row("gavan.cli.backup.group:group", "Make backups that prove they restore"),
    "seed": Row("gavan.cli.seed:command", "Run the seed files that have not run yet"),
    "db": Row("gavan.cli.db:group", "Look into the database of the stack"),
    "users": Row("gavan.cli.users:group", "Look after the users of a running stack"),
    "storage": Row("gavan.cli.storage.group:group", "Look after the objects of a running stack"),
    "realtime": Row("gavan.cli.realtime.group:group", "Listen to what the realtime service sends"),
    "inbox": Row("gavan.cli.inbox:group", "Read the mail that a development stack caught"),
    "build": Row("gavan.cli.build:command", "Build the images of the stack"),
    "push": Row("gavan.cli.push:command", "Send the images of the stack to its registry"),
    "hosts": Row("gavan.cli.deploy.hosts:group", "Look after the servers of the stack"),
    "deploy": Row("gavan.cli.deploy.deploy:command", "Bring a release to a server"),
    "rollback": Row("gavan.cli.deploy.releases:rollback", "Serve a former release again"),
    "releases": Row("gavan.cli.deploy.releases:releases", "Show and prove the log of releases"),
    "notify": Row("gavan.cli.notify:group", "Tell people what happens to the stack"),
    "generate": Row("gavan.cli.generate:command", "Write the files of Docker Compose and Caddy"),
    "ci": Row("gavan.cli.ci:group", "Write and check the files of GitHub Actions and GitLab CI"),
    "keys": Row("gavan.cli.keys:group", "Change the keys that sign the tokens of users"),
    "types": Row("gavan.cli.types:command", "Print typed clients of the data API"),
    "completion": Row("gavan.cli.completion:command", "Print the completion script of a shell"),
    "version": Row("gavan.cli.version:command", "Print the versions that a bug report needs"),
}
