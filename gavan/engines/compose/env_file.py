"""The file of variables that a compose file of ours is run with: keys, addresses, the user's own.

Stands beside document.py. Its values never leave the machine they are for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gavan.engines.embedded.environment import Keys
from gavan.kit.secret import Secret
from gavan.stack.model import Profile, Stack

_VARIABLE = re.compile(r"(?<!\$)(?:\$\$)*\$\{([A-Za-z_][A-Za-z0-9_]*)(:[-?][^{}]*)?")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
HSTS = 'header Strict-Transport-Security "max-age=31536000"'
RELEASE = re.compile(r"[A-Z0-9_]*IMAGE|GAVAN_RELEASE|SLOTS_DIR|DATA_DIR|COMPOSE_PROJECT_NAME")
"""Variables that a release sets, not a person"""


def variables_of(document: str) -> dict[str, bool]:
    """Return the variables of a compose file and whether each must be set."""
    found: dict[str, bool] = {}
    for name, operator in _VARIABLE.findall(document):
        found[name] = found.get(name, False) or not operator.startswith(":-")
    return found


def asked_of_people(document: str) -> dict[str, bool]:
    """Return the variables that the env file of a place has, and whether each must be there."""
    return {name: must for name, must in variables_of(document).items()
            if not RELEASE.fullmatch(name)}  # fmt: skip


def format_line(name: str, value: str) -> str:
    """Return one line that compose reads back byte for byte."""
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    if "'" not in value:
        return f"{name}='{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'{name}="{escaped}"'


def render(values: Mapping[str, str]) -> str:
    """Return the text of an env file."""
    return "".join(f"{format_line(name, value)}\n" for name, value in values.items())


def example(document: str, stack: Stack) -> str:
    """Return the example of the env file: every name, values where they are no secret."""
    known = dict(place_variables(stack))
    lines = [
        f"# Variables of {stack.name} under the profile {stack.profile.name}.",
        "# The real file is private (mode 0600) and stays on its machine.",
    ]
    for name, must in sorted(asked_of_people(document).items()):
        value = known.get(name, "")
        note = "" if must or value else "# "
        lines.append(note + format_line(name, value))
    return "\n".join(lines) + "\n"


def place_variables(stack: Stack) -> Iterator[tuple[str, str]]:
    """Yield what the profile says about the place: domain, ports, certificates."""
    profile = stack.profile
    yield "GAVAN_PROFILE", profile.name
    yield "DOMAIN", profile.domain
    yield "HTTP_PORT", str(profile.http_port)
    yield "HTTPS_PORT", str(profile.https_port)
    yield "PUBLIC_SCHEME", "http" if profile.tls == "off" else "https"
    yield "PUBLIC_PORT", _public_port(profile)
    yield "CADDY_SCHEME", "http://" if profile.tls == "off" else ""
    yield "CADDY_TLS", "tls internal" if profile.tls == "internal" else ""
    yield "CADDY_GLOBAL", f"email {profile.acme_email}" if profile.acme_email else ""
    yield "CADDY_HSTS", HSTS if profile.tls == "acme" else ""
    yield "GAVAN_CORS_ORIGINS", ",".join(profile.cors)
    yield "GAVAN_INBOX_DIR", "" if profile.protected else "/tmp/inbox"  # noqa: S108 - in the core's container


def _public_port(profile: Profile) -> str:
    port, usual = (profile.http_port, 80) if profile.tls == "off" else (profile.https_port, 443)
    return "" if port == usual else f":{port}"


def key_variables(keys: Keys, passwords: Mapping[str, Secret]) -> dict[str, str]:
    """Return the keys of a stack by the names of their variables."""
    named = {
        "JWT_SECRET": keys.jwt_secret,
        "GOTRUE_JWT_KEYS": keys.signing_keys or Secret(""),
        "ANON_KEY": keys.anon_key,
        "SERVICE_ROLE_KEY": keys.service_role_key,
        "SUPABASE_PUBLISHABLE_KEY": keys.publishable_key,
        "SUPABASE_SECRET_KEY": keys.secret_key,
        "S3_PROTOCOL_ACCESS_KEY_ID": keys.s3_access_key_id,
        "S3_PROTOCOL_ACCESS_KEY_SECRET": keys.s3_secret_access_key,
        "MINIO_ROOT_PASSWORD": keys.minio_root_password,
        "RABBITMQ_PASSWORD": keys.rabbitmq_password,
        "REALTIME_DB_ENC_KEY": keys.realtime_db_enc_key,
        "REALTIME_SECRET_KEY_BASE": keys.realtime_secret_key_base,
        "PG_META_CRYPTO_KEY": keys.pg_meta_crypto_key,
        **passwords,
    }
    return {name: value.reveal() for name, value in named.items()}
