"""Every section of the stack file and every key in it, declared once.

Stands between the file and everything that speaks of it; adding a key here makes it known to the
loader, to the suggestions, to docs/reference/gavan-toml.md and to the annotated example.
"""

from __future__ import annotations

from gavan.stack.schema.auth import CORE_AUTH
from gavan.stack.schema.backup import BACKUP
from gavan.stack.schema.ci import CI
from gavan.stack.schema.container import image_keys, limit_keys
from gavan.stack.schema.deploy import DEPLOY
from gavan.stack.schema.key import Key, Kind, Section
from gavan.stack.schema.lint import MIGRATIONS_LINT
from gavan.stack.schema.notify import NOTIFY
from gavan.stack.schema.proxy import PROXY
from gavan.stack.schema.queue import QUEUE
from gavan.stack.schema.realtime import CORE_REALTIME
from gavan.stack.schema.s3 import STORAGE
from gavan.stack.schema.storage import CORE_STORAGE

_TIMEOUT = r"\d+(us|ms|s|min|h|d)?"

STACK = Section(
    path=("stack",),
    meaning="The stack itself; its name alone is enough to run a database and the core.",
    keys=(
        Key(name="name", kind=Kind.SLUG, required=True, example='"crm"',
            meaning="Name of the stack; prefixes sockets, containers and volumes."),
        Key(name="schema", kind=Kind.INTEGER, default=1, at_least=1,
            meaning="Version of this file's form."),
        Key(name="requires", kind=Kind.TEXT, example='">=0.1"',
            meaning="Versions of gavan that may run it."),
        Key(name="default_profile", kind=Kind.TEXT, default="dev",
            meaning="Profile used when -p does not name one."),
        Key(name="root", kind=Kind.PATH, default=".",
            meaning="Directory that relative paths start from; relative to this file."),
    ),
)  # fmt: skip

PROFILE = Section(
    path=("profiles", "*"),
    example="staging",
    meaning="A way to run the stack; dev, prod-sim and prod exist without being written.",
    keys=(
        Key(name="engine", kind=Kind.CHOICE, default="embedded",
            choices=("embedded", "compose", "swarm", "kubernetes"),
            meaning="What makes the units run."),
        Key(name="domain", kind=Kind.TEXT, default="localhost",
            meaning="Domain that the hosts of routes belong to."),
        Key(name="tls", kind=Kind.CHOICE, default="internal", choices=("off", "internal", "acme"),
            meaning="Certificates of the proxy in containers: none, its own authority, ACME."),
        Key(name="acme_email", kind=Kind.TEXT, default="", example='"ops@example.com"',
            meaning="Whom the certificate authority writes to."),
        Key(name="http_port", kind=Kind.PORT, default=80,
            meaning="Port of the proxy in containers, for HTTP."),
        Key(name="https_port", kind=Kind.PORT, default=443,
            meaning="Port of the proxy in containers, for HTTPS."),
        Key(name="logs", kind=Kind.CHOICE, default="text", choices=("text", "json"),
            meaning="Form of the log lines on a terminal."),
        Key(name="watch", kind=Kind.BOOLEAN, default=False,
            meaning="Restart apps when their files change."),
        Key(name="protected", kind=Kind.BOOLEAN, default=False,
            meaning="Holds real data: destructive verbs ask for the name, seeds do not run."),
        Key(name="env_files", kind=Kind.TEXTS, default=(), example='[".env", ".env.staging"]',
            meaning="Files of variables, low to high; empty: .env, .env.<profile>, .env.local, "
            ".env.<profile>.local."),
        Key(name="cors", kind=Kind.TEXTS, default=(), example='["https://staging.example.com"]',
            meaning="Origins that browsers may call the core from; empty: any."),
        Key(name="set", kind=Kind.FREE, example="{ database = { max_connections = 20 } }",
            meaning="Values laid over this file; tables are merged, lists replaced."),
    ),
)  # fmt: skip

DATABASE = Section(
    path=("database",),
    meaning="Postgres.",
    keys=(
        Key(name="version", kind=Kind.INTEGER, default=18, at_least=13,
            meaning="Major version."),
        Key(name="port", kind=Kind.PORT, default=54322, meaning="TCP port on 127.0.0.1."),
        Key(name="name", kind=Kind.TEXT, default="postgres", meaning="Name of the database."),
        Key(name="settings", kind=Kind.SETTINGS, default={}, example='{ work_mem = "8MB" }',
            meaning="Server settings, laid over the tuned ones."),
        Key(name="max_connections", kind=Kind.INTEGER, default=60, at_least=10,
            meaning="Connections the server admits."),
        Key(name="external_url", kind=Kind.SECRET, example='"secret://DATABASE_URL"',
            meaning="Use this Postgres instead of starting one."),
        Key(name="image", kind=Kind.TEXT, example='"pgvector/pgvector:pg18"',
            meaning="Image of Postgres in containers; default: gavan's own, with the same Postgres "
            "as on a laptop."),
        *limit_keys(memory="1GiB", cpus="1.0"),
    ),
)  # fmt: skip

MIGRATIONS = Section(
    path=("database", "migrations"),
    meaning="Schema changes; history is kept as the supabase CLI keeps it.",
    keys=(
        Key(name="dir", kind=Kind.PATH, default="supabase/migrations",
            meaning="Folder of the .sql files."),
        Key(name="lock_timeout", kind=Kind.TEXT, default="4s", pattern=_TIMEOUT,
            meaning="How long one statement waits for a lock (Postgres spelling)."),
        Key(name="statement_timeout", kind=Kind.TEXT, default="0", pattern=_TIMEOUT,
            meaning="How long one statement may run; 0 = as long as it takes."),
        Key(name="retries", kind=Kind.INTEGER, default=5,
            meaning="Further tries of a file that met a lock timeout."),
        Key(name="order", kind=Kind.CHOICE, default="strict", choices=("strict", "include-all"),
            meaning="strict refuses a new file that sorts before an applied one."),
        Key(name="lint", kind=Kind.SECTION, default={}, section=MIGRATIONS_LINT,
            example='{ GV366 = "off" }', meaning="Levels of the rules of `gavan migrate lint`."),
    ),
)  # fmt: skip

SEED = Section(
    path=("database", "seed"),
    meaning="Data loaded after the migrations; a file runs once per content.",
    keys=(
        Key(name="files", kind=Kind.TEXTS, default=(), example='["supabase/seed.sql"]',
            meaning="Files or globs, in order."),
        Key(name="profiles", kind=Kind.TEXTS, default=("dev",),
            meaning="Profiles that are seeded."),
        Key(name="mock", kind=Kind.TEXTS, default=(), example='["supabase/seeds/mock.sql"]',
            meaning="Files or globs of invented data; profile dev only."),
    ),
)  # fmt: skip

CORE_REST = Section(
    path=("core", "rest"),
    meaning="The data API, by PostgREST's names; pgrst.* settings of the database win.",
    keys=(
        Key(name="db_anon_role", kind=Kind.TEXT, default="anon",
            meaning="Role of requests without a token; empty: they are refused."),
        Key(name="db_pre_request", kind=Kind.TEXT, example='"private.check_request"',
            meaning="Function run before every statement, as the role of the request."),
        Key(name="db_pre_config", kind=Kind.TEXT, example='"private.configure"',
            meaning="Function that makes pgrst.* settings at every load."),
        Key(name="db_config", kind=Kind.BOOLEAN, default=True,
            meaning="Read the pgrst.* settings of the database."),
        Key(name="db_root_spec", kind=Kind.TEXT, example='"root"',
            meaning="Function that answers at the root instead of the OpenAPI document."),
        Key(name="db_hoisted_tx_settings", kind=Kind.TEXT, example='"statement_timeout, work_mem"',
            meaning="Settings of a function that hold for the whole call; default: as PostgREST."),
        Key(name="db_aggregates_enabled", kind=Kind.BOOLEAN, default=False,
            meaning="Allow sum, avg, min, max and count in select."),
        Key(name="db_plan_enabled", kind=Kind.BOOLEAN, default=False,
            meaning="Show the plan of a statement to whoever asks for it."),
        Key(name="db_safe_update", kind=Kind.BOOLEAN, default=True,
            meaning="Refuse UPDATE and DELETE without a filter; a name of ours."),
        Key(name="db_tx_end", kind=Kind.CHOICE, default="commit",
            choices=("commit", "commit-allow-override", "rollback", "rollback-allow-override"),
            meaning="How transactions end, and whether Prefer: tx= may say so."),
        Key(name="db_pool", kind=Kind.INTEGER, default=10, at_least=1,
            meaning="Connections to the database at most."),
        Key(name="db_pool_acquisition_timeout", kind=Kind.INTEGER, default=10, at_least=0,
            meaning="Seconds that a request waits for one of them, then 504."),
        Key(name="db_pool_max_idletime", kind=Kind.INTEGER, default=30, at_least=0,
            meaning="Seconds after which one that is not used is closed."),
        Key(name="db_pool_max_lifetime", kind=Kind.INTEGER, default=1800, at_least=0,
            meaning="Seconds after which one is closed and made anew."),
        Key(name="db_prepared_statements", kind=Kind.BOOLEAN, default=True,
            meaning="false behind a pooler in transaction mode."),
        Key(name="db_channel_enabled", kind=Kind.BOOLEAN, default=True,
            meaning="Listen for notify pgrst; false behind such a pooler."),
        Key(name="openapi_mode", kind=Kind.CHOICE, default="follow-privileges",
            choices=("follow-privileges", "ignore-privileges", "disabled"),
            meaning="What the root describes: what the role may touch, everything, nothing."),
        Key(name="openapi_security_active", kind=Kind.BOOLEAN, default=False,
            meaning="Say in that description that a token may be sent."),
        Key(name="client_error_verbosity", kind=Kind.CHOICE, default="verbose",
            choices=("verbose", "minimal"),
            meaning="minimal keeps details and hints of errors back."),
        Key(name="url_use_legacy_target_names", kind=Kind.BOOLEAN, default=True,
            meaning="Let filters name an aliased embed by its relation too."),
        Key(name="server_trace_header", kind=Kind.TEXT, example='"x-trace-id"',
            meaning="Header of the request that every answer repeats."),
        Key(name="server_timing_enabled", kind=Kind.BOOLEAN, default=False,
            meaning="Tell in the header Server-Timing where the time of a request went."),
        Key(name="jwt_aud", kind=Kind.TEXT, example='"authenticated"',
            meaning="Audience that tokens must be for; default: any."),
        Key(name="jwt_role_claim_key", kind=Kind.TEXT, default=".role", interpolated=False,
            meaning="Where a token names its role, as a JSON path."),
        Key(name="app_settings", kind=Kind.ENV, default={}, example='{ greeting = "hello" }',
            meaning="Read in the database with current_setting('app.settings.greeting')."),
    ),
)  # fmt: skip

CORE = Section(
    path=("core",),
    meaning="The process that speaks the Supabase protocols.",
    keys=(
        Key(name="engine", kind=Kind.CHOICE, default="gavan", choices=("gavan", "supabase"),
            meaning="What speaks them in containers: gavan, or Supabase's own images; on a laptop "
            "without containers it is gavan."),
        Key(name="port", kind=Kind.PORT, default=54321, meaning="HTTP port."),
        Key(name="host", kind=Kind.TEXT, default="api", pattern=r"([a-z0-9-]+(\.[a-z0-9-]+)*)?",
            meaning="Name below the profile's domain that leads to it in containers."),
        Key(name="services", kind=Kind.TEXTS, default=("rest", "auth", "storage", "realtime"),
            choices=("rest", "auth", "storage", "realtime"), meaning="Services that answer."),
        Key(name="schemas", kind=Kind.TEXTS, default=("public",),
            meaning="Schemas of the data API; the first is the default."),
        Key(name="extra_search_path", kind=Kind.TEXTS, default=("public", "extensions"),
            meaning="Schemas searched besides the requested one."),
        Key(name="max_rows", kind=Kind.INTEGER, default=1000, at_least=1,
            meaning="Rows in one answer of the data API at most."),
        Key(name="site_url", kind=Kind.TEXT,
            meaning="Where links in mails lead; default: the first site, else the core.",
            example='"http://localhost:5173"'),
        Key(name="rest", kind=Kind.SECTION, section=CORE_REST,
            example="{ db_aggregates_enabled = true }",
            meaning="The data API, by PostgREST's names."),
        Key(name="auth", kind=Kind.SECTION, section=CORE_AUTH,
            example="{ enable_anonymous_sign_ins = true }",
            meaning="Users and their sign-in, by the names of supabase/config.toml."),
        Key(name="storage", kind=Kind.SECTION, section=CORE_STORAGE,
            example='{ file_size_limit = "50MiB" }',
            meaning="Buckets and objects, by the names of supabase/config.toml."),
        Key(name="realtime", kind=Kind.SECTION, section=CORE_REALTIME,
            example="{ max_concurrent_users = 200 }",
            meaning="Sockets and how changes are read."),
        *limit_keys(memory="512MiB", cpus="0.5"),
    ),
)  # fmt: skip

HEALTH = Section(
    path=("apps", "*", "health"),
    meaning="How the engine asks whether the app is ready; one of path, tcp, exec.",
    keys=(
        Key(name="path", kind=Kind.TEXT, example='"/health"', pattern="/.*",
            meaning="GET on the app's port; 2xx is ready."),
        Key(name="tcp", kind=Kind.PORT, meaning="A connection to this port is ready."),
        Key(name="exec", kind=Kind.TEXT, meaning="A command that exits 0 is ready."),
        Key(name="interval", kind=Kind.DURATION, default="2s", meaning="Between two questions."),
        Key(name="timeout", kind=Kind.DURATION, default="2s", meaning="For one answer."),
        Key(name="start", kind=Kind.DURATION, default="30s",
            meaning="Time to become ready before it counts as failed."),
        Key(name="fails", kind=Kind.INTEGER, default=3, at_least=1,
            meaning="Failures in a row that make it unhealthy."),
    ),
)  # fmt: skip

ROUTE = Section(
    path=("apps", "*", "routes"),
    meaning="A host and path of the proxy that lead here.",
    keys=(
        Key(name="host", kind=Kind.TEXT, default="", example='"api"',
            meaning="Name below the profile's domain; empty: the domain itself."),
        Key(name="path", kind=Kind.TEXT, default="/", pattern="/.*", meaning="Path prefix."),
        Key(name="strip", kind=Kind.BOOLEAN, default=False,
            meaning="Remove the prefix before the app sees it."),
    ),
)  # fmt: skip

APP = Section(
    path=("apps", "*"),
    example="backend",
    meaning="A process of yours.",
    keys=(
        Key(name="kind", kind=Kind.CHOICE, default="service",
            choices=("service", "worker", "job"),
            meaning="service and worker run for ever, a job runs once."),
        Key(name="dir", kind=Kind.PATH, default=".", example='"backend"',
            meaning="Where its commands run."),
        Key(name="command", kind=Kind.TEXT, example='"node dist/server.js"',
            meaning="What starts it; may be left out when dev is given."),
        Key(name="dev", kind=Kind.TEXT, example='"npm run dev"',
            meaning="Used instead of command by profiles with watch."),
        Key(name="build", kind=Kind.TEXT, example='"npm run build"',
            meaning="Run before command when its inputs changed."),
        Key(name="port", kind=Kind.PORT, example="3000",
            meaning="Port it listens on, given to it as PORT."),
        Key(name="workers", kind=Kind.INTEGER, default=1, at_least=1,
            meaning="Processes of it, given to it as WORKERS."),
        Key(name="routes", kind=Kind.SECTIONS, default=(), section=ROUTE,
            example='[{ host = "api", path = "/", strip = false }]',
            meaning="Hosts and paths of the proxy that lead to its port."),
        Key(name="health", kind=Kind.SECTION, section=HEALTH, example='{ path = "/health" }',
            meaning="Readiness; default: a connection to its port, if it has one."),
        Key(name="needs", kind=Kind.CONDITIONS, default={"core": "healthy"},
            choices=("started", "healthy", "completed"), example='{ core = "healthy" }',
            meaning="What must be started, healthy or completed first: apps, core, database, "
            "queue."),
        Key(name="env", kind=Kind.ENV, default={},
            example='{ API_URL = "${core.url}", XAI_MODEL = "${XAI_MODEL:-grok-4}" }',
            meaning="Its variables; a layer above this file that sets the same name wins."),
        Key(name="secrets", kind=Kind.TEXTS, default=(), example='["XAI_API_KEY"]',
            pattern=r"[A-Za-z_][A-Za-z0-9_]*",
            meaning="Names of variables that it is given and nobody is shown."),
        Key(name="watch", kind=Kind.TEXTS, default=(), example='["src/**/*.py"]',
            meaning="Files that restart it under profiles with watch."),
        Key(name="restart", kind=Kind.CHOICE, choices=("always", "on-failure", "no"),
            example='"always"',
            meaning="After it ended; default: always, a job: no."),
        Key(name="stop_signal", kind=Kind.CHOICE, default="SIGTERM",
            choices=("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"),
            meaning="Asks it to stop."),
        Key(name="stop_timeout", kind=Kind.DURATION, default="30s",
            meaning="Time to stop before it is killed."),
        *image_keys(what="the app"),
        *limit_keys(memory="384MiB", cpus="0.5"),
    ),
)  # fmt: skip

SITE = Section(
    path=("sites", "*"),
    example="web",
    meaning="A front end: built and served as files, or by its own dev server under gavan dev.",
    keys=(
        Key(name="dir", kind=Kind.PATH, default=".", example='"web"',
            meaning="Where its commands run."),
        Key(name="build", kind=Kind.TEXT, example='"npm run build"',
            meaning="Makes the files."),
        Key(name="output", kind=Kind.TEXT, default="dist", meaning="Folder of the files, in dir."),
        Key(name="dev", kind=Kind.TEXT, example='"npm run dev"', meaning="The dev server."),
        Key(name="dev_port", kind=Kind.PORT, default=5173,
            meaning="Port of the site, by dev server or proxy; given to it as PORT."),
        Key(name="route", kind=Kind.SECTION, section=ROUTE, example='{ host = "app" }',
            meaning="Host and path of the proxy."),
        Key(name="spa", kind=Kind.BOOLEAN, default=True,
            meaning="Unknown paths are answered by index.html."),
        Key(name="headers", kind=Kind.SETTINGS, default={}, example='{ X-Frame-Options = "DENY" }',
            meaning="Response headers."),
        Key(name="immutable", kind=Kind.TEXTS, default=("assets/*",),
            meaning="Files that browsers may keep for ever."),
        Key(name="env_prefix", kind=Kind.TEXT, default="VITE_",
            meaning="Prefix of the names that the build tool publishes."),
        Key(name="env", kind=Kind.ENV, default={}, example='{ VITE_API_URL = "${core.url}" }',
            meaning="Its variables; whoever opens the site can read them."),
        *image_keys(what="the site"),
        *limit_keys(memory="48MiB", cpus="0.15"),
    ),
)  # fmt: skip

CRON = Section(
    path=("cron", "*"),
    example="metrics",
    meaning="Something that happens again and again; one of sql, command, http.",
    keys=(
        Key(name="schedule", kind=Kind.CRON, required=True, example='"*/5 * * * *"',
            meaning="Five cron fields, or @every 30s."),
        Key(name="tz", kind=Kind.TEXT, default="UTC", meaning="Time zone of the fields."),
        Key(name="sql", kind=Kind.TEXT, interpolated=False,
            example='"select metrics.refresh()"',
            meaning="Statement run as postgres; the only text in which $ means nothing."),
        Key(name="command", kind=Kind.TEXT, meaning="Command run in the root of the stack."),
        Key(name="http", kind=Kind.TEXT, meaning="URL that is sent a POST."),
        Key(name="timeout", kind=Kind.DURATION, default="5m", meaning="For one run."),
        Key(name="overlap", kind=Kind.CHOICE, default="skip", choices=("skip", "queue", "kill"),
            meaning="When the last run has not ended."),
        Key(name="retries", kind=Kind.INTEGER, default=0, meaning="Further tries of a failed run."),
        Key(name="catch_up", kind=Kind.BOOLEAN, default=False,
            meaning="Make up once for runs missed while the stack was down."),
        Key(name="profiles", kind=Kind.TEXTS, default=(),
            meaning="Profiles in which it runs; empty: every one."),
    ),
)  # fmt: skip

SECTIONS: tuple[Section, ...] = (
    STACK, PROFILE, DATABASE, MIGRATIONS, SEED, CORE, STORAGE, QUEUE, APP, SITE, CRON, BACKUP,
    DEPLOY, PROXY, NOTIFY, CI,
)  # fmt: skip
"""In the order of the reference; nested sections hang on their keys."""

TOP = tuple(dict.fromkeys(section.path[0] for section in SECTIONS))
BUILT_IN_PROFILES: dict[str, dict[str, object]] = {
    "dev": {"watch": True},
    "prod-sim": {"engine": "compose", "logs": "json"},
    "prod": {
        "engine": "compose",
        "logs": "json",
        "domain": "",
        "protected": True,
        "tls": "acme",
    },
}
"""What the three profiles say before the file speaks."""
