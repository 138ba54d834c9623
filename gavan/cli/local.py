"""What the verbs of a local stack share: the stack with the ports it really has, its texts.

Stands between those verbs and the embedded engine.
"""

from __future__ import annotations

import os

from gavan.cli.context import Context
from gavan.cli.ports import with_ports
from gavan.engines.embedded import ports
from gavan.engines.embedded.environment import S3_REGION
from gavan.engines.embedded.model import Status
from gavan.kit.errors import GavanError
from gavan.secrets.keys import StackKeys
from gavan.stack.load import load_stack
from gavan.stack.model import EngineName, Stack

_S3_ROWS = (
    ("S3", "STORAGE_S3_URL"),
    ("S3 access key", "S3_PROTOCOL_ACCESS_KEY_ID"),
    ("S3 secret key", "S3_PROTOCOL_ACCESS_KEY_SECRET"),
)
COLORS = ("cyan", "magenta", "yellow", "blue", "green", "bright_cyan", "bright_magenta")


def load_local(context: Context, stack: Stack | None = None) -> tuple[Stack, tuple[str, ...]]:
    """Return the stack as it runs here and the settings on top of its file.

    Ports that `up --auto-ports` chose stand in for those of the file until the next plain start.
    ``stack`` is given when the file was read anew.
    """
    stack = stack or context.stack
    if stack.profile.engine is not EngineName.EMBEDDED:
        raise GavanError(
            "GV112",
            f"profile {stack.profile.name} asks for the engine {stack.profile.engine}, "
            "which this version does not have",
            hint="use a profile with the embedded engine: gavan up -p dev",
            exit_code=7,
        )
    return with_ports(context, stack, ports.recorded_ports(stack.state_dir))


def read_again(context: Context) -> tuple[Stack, tuple[str, ...]]:
    """Return the stack of the file as it is now, not as it was when the verb began."""
    flags = context.flags
    fresh = load_stack(flags.file, profile=flags.profile, environ=os.environ, overrides=flags.set)
    return load_local(context, fresh)


def core_url(stack: Stack) -> str:
    return f"http://127.0.0.1:{stack.core.port}"


def connection_facts(stack: Stack, keys: StackKeys) -> dict[str, str]:
    """Return the names and values that `supabase status -o env` prints, of what runs here."""
    password = keys.postgres_password.reveal()
    core = core_url(stack)
    database = stack.database
    url = f"postgresql://postgres:{password}@127.0.0.1:{database.port}/{database.name}"
    if database.external_url is not None:
        url = database.external_url.reveal()
    facts = {
        "API_URL": core,
        "REST_URL": f"{core}/rest/v1",
        "DB_URL": url,
        "ANON_KEY": keys.anon_key.reveal(),
        "SERVICE_ROLE_KEY": keys.service_role_key.reveal(),
        "JWT_SECRET": keys.jwt_secret.reveal(),
        "PUBLISHABLE_KEY": keys.publishable_key.reveal(),
        "SECRET_KEY": keys.secret_key.reveal(),
    }
    if _speaks_s3(stack):
        facts |= {
            "STORAGE_S3_URL": f"{core}/storage/v1/s3",
            "S3_PROTOCOL_ACCESS_KEY_ID": keys.s3_access_key_id.reveal(),
            "S3_PROTOCOL_ACCESS_KEY_SECRET": keys.s3_secret_access_key.reveal(),
            "S3_PROTOCOL_REGION": S3_REGION,
        }
    return facts


def keeps_bytes_in_s3(stack: Stack) -> bool:
    """Say whether the bytes of objects are elsewhere than in the folder of the stack."""
    return stack.core.storage.get("STORAGE_BACKEND") == "s3"


def _speaks_s3(stack: Stack) -> bool:
    is_on = stack.core.storage.get("S3_PROTOCOL_ENABLED") != "false"
    return is_on and "storage" in stack.core.services


def address_rows(stack: Stack, keys: StackKeys) -> list[tuple[str, str]]:
    """Return label and address of everything a person may want to open; secrets in dev only."""
    facts = connection_facts(stack, keys)
    rows = [(f"site {site.name}", f"http://localhost:{site.port}") for site in stack.sites]
    rows += [(f"app {app.name}", f"http://127.0.0.1:{app.port}") for app in stack.apps if app.port]
    rows.append(("API", facts["API_URL"]))
    if stack.profile.protected:
        where = f"127.0.0.1:{stack.database.port}/{stack.database.name}"
        return [*rows, ("database", where)]
    if "auth" in stack.core.services:
        rows.append(("inbox", f"{facts['API_URL']}/_gavan/inbox"))
    return [
        *rows,
        ("database", facts["DB_URL"]),
        ("anon key", facts["ANON_KEY"]),
        ("service_role key", facts["SERVICE_ROLE_KEY"]),
        ("publishable key", facts["PUBLISHABLE_KEY"]),
        ("secret key", facts["SECRET_KEY"]),
        *[(label, facts[name]) for label, name in _S3_ROWS if name in facts],
    ]


def trouble_details(status: Status) -> str:
    """Return the last lines of a unit and what is known about its end."""
    parts = [*status.tail]
    if status.hint:
        parts.append(f"hint: {status.hint}")
    return "\n".join(parts)
