"""Points at which a stack's own function or endpoint is asked."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gavan.core.auth.config.environ import Environ
from gavan.kit.secret import Secret
from gavan.kit.web_address import LOCAL_HOSTS

HOOKS = (
    "before_user_created",
    "after_user_created",
    "send_email",
    "send_sms",
    "custom_access_token",
    "password_verification_attempt",
    "mfa_verification_attempt",
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_SECRET = re.compile(r"v1,whsec_([A-Za-z0-9+/=]{32,88})")


@dataclass(frozen=True, slots=True, kw_only=True)
class HookConfig:
    """One hook: a function of Postgres when ``function`` is (schema, name), else ``url``.

    ``keys`` are the decoded keys that sign requests, one signature each.
    """

    name: str
    function: tuple[str, str] | None = None
    url: str = ""
    keys: tuple[Secret, ...] = ()


def read_hooks(environ: Environ) -> dict[str, HookConfig]:
    """Return the hooks that are switched on, by name."""
    found = {name: _hook(environ, name) for name in HOOKS}
    return {name: hook for name, hook in found.items() if hook is not None}


def hook_of(name: str, uri: str, secrets: str) -> HookConfig:
    """Return the hook of a URI; raise ValueError for one that is not allowed.

    Args:
        name: one of HOOKS.
        uri: ``pg-functions://<database>/<schema>/<function>``, https, or http to this machine.
        secrets: ``v1,whsec_<base64>``, several joined by ``|``.
    """
    parts = urlsplit(uri)
    if parts.scheme.lower() == "pg-functions":
        names = parts.path.split("/")[1:]
        if len(names) != 2 or not all(_NAME.fullmatch(part) for part in names):
            raise ValueError("pg-functions://<database>/<schema>/<function> is expected")
        return HookConfig(name=name, function=(names[0], names[1]))
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        raise ValueError("a pg-functions or https address is expected")
    if parts.scheme.lower() == "http" and parts.hostname not in LOCAL_HOSTS:
        raise ValueError("http is allowed to this machine only, elsewhere https")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address without a user is expected")
    return HookConfig(name=name, url=uri, keys=_keys(secrets))


def _keys(text: str) -> tuple[Secret, ...]:
    keys = []
    for part in filter(None, text.split("|")):
        match = _SECRET.fullmatch(part)
        if match is None:
            raise ValueError("secrets are written v1,whsec_<base64>")
        try:
            base64.b64decode(match.group(1), validate=True)
        except ValueError as error:
            raise ValueError("secrets are written v1,whsec_<base64>") from error
        keys.append(Secret(match.group(1)))
    return tuple(keys)


def _hook(environ: Environ, name: str) -> HookConfig | None:
    prefix = f"HOOK_{name.upper()}_"
    uri = environ.text(f"{prefix}URI")
    if not environ.flag(f"{prefix}ENABLED", False) or not uri:
        return None
    secrets = environ.secret(f"{prefix}SECRETS")
    try:
        return hook_of(name, uri, secrets.reveal() if secrets else "")
    except ValueError as error:
        environ.refuse(f"{prefix}URI", str(error))
        return None


Hooked = Mapping[str, HookConfig]
