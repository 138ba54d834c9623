"""The login of this machine at a registry, lent to a host for one pull.

Stands below images.py. The host keeps nothing of it: a pipeline's token is good for its job alone,
and a person's own login is nobody else's.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from gavan.kit.secret import Secret

_HUB = "https://index.docker.io/v1/"
_HUB_NAMES = ("docker.io", "index.docker.io")
_IDENTITY = "<token>"
"""What helpers name the user of a token that stands for one"""
_HELPER_S = 20


def docker_config(registry: str) -> Secret | None:
    """Return docker's configuration with nothing but the login at ``registry``, its host and port.

    None when this machine is not logged in there.
    """
    file = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    key = _HUB if registry in _HUB_NAMES else registry
    helper = found.get("credHelpers", {}).get(registry) or found.get("credsStore", "")
    entry = _from_helper(helper, key) if helper else found.get("auths", {}).get(key)
    return Secret(json.dumps({"auths": {key: entry}})) if entry else None


def _from_helper(name: str, key: str) -> dict[str, str] | None:
    """Return what the program that keeps logins has for a registry."""
    program = shutil.which(f"docker-credential-{name}")
    if program is None:
        return None
    done = subprocess.run([program, "get"], input=key.encode(), capture_output=True, check=False,
                          timeout=_HELPER_S)  # fmt: skip
    if done.returncode != 0:
        return None
    told = json.loads(done.stdout)
    if told["Username"] == _IDENTITY:
        return {"identitytoken": told["Secret"]}
    pair = f"{told['Username']}:{told['Secret']}".encode()
    return {"auth": base64.b64encode(pair).decode()}
