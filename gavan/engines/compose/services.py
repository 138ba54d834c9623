"""The services of a compose file: one function per kind of unit, pure.

Stands above addresses.py and values.py; document.py puts them together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gavan.database.container import HOME
from gavan.database.embedded import archiving
from gavan.engines.compose import official
from gavan.engines.compose.addresses import (
    CORE,
    INSIDE,
    SLOTS,
    addresses,
    inside_url,
    is_slotted,
    public_url,
    site_url,
)
from gavan.engines.compose.outside import (
    BROKER,
    after_buckets,
    broker_variables,
    has_broker,
    s3_variables,
)
from gavan.engines.compose.rules import LOGGING, TMP, Service, check, closed, foreign, limits
from gavan.engines.compose.values import (
    PASSWORDS,
    VariableKeys,
    VariableUrls,
    optional,
    plain,
    required,
    written,
)
from gavan.engines.embedded.environment import (
    QUEUE,
    Surroundings,
    base_env,
    core_env,
    provided,
)
from gavan.engines.images.plan import late_variables
from gavan.kit.backup_state import FILE, VARIABLE
from gavan.stack.model import App, Container, Site, Stack
from gavan.stack.source import Source
from gavan.stack.values import scalar_text

PROXY = "proxy"
PROXY_LIMITS = Container(memory=96 * 2**20, cpus=0.25)
HEALTH_PORT = 8081
CADDY_FOLDER = "/etc/caddy"
SLOTS_FOLDER = "/slots"
"""Where Caddy finds a file for each part, with the address of its active slot"""
CORE_STOP_S = 30
"""Longer than the core takes by itself, also where a machine is slow: it is never killed"""
RATE_HEADER = "GOTRUE_RATE_LIMIT_HEADER"
_CADDY_PROBE = (
    f"wget -qO /dev/null http://127.0.0.1:{HEALTH_PORT}/ 2>/dev/null"
    f" || bash -c '</dev/tcp/127.0.0.1/{HEALTH_PORT}'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What services are made from; ``source`` has the texts of the stack file as written."""

    stack: Stack
    source: Source

    @property
    def around(self) -> Surroundings:
        """Environments as on a laptop, with variables where values would be."""
        stack = self.stack
        is_external = stack.database.external_url is not None
        urls = VariableUrls(
            database=stack.database.name,
            external=is_external,
            one_password=stack.core.is_official,
        )
        core = replace(
            stack.core,
            site_url=site_url(stack),
            rest=plain(stack.core.rest, "PGRST_"),
            auth=plain(stack.core.auth, "GOTRUE_"),
            storage=plain(stack.core.storage, ""),
            realtime=plain(stack.core.realtime, "REALTIME_"),
        )
        return Surroundings(stack=replace(stack, core=core), keys=VariableKeys(), urls=urls)


def postgres(stack: Stack) -> Service:
    """Return the database: gavan's own Postgres, or an image that behaves as the official one."""
    container = stack.database.container
    common = {
        **limits(container),
        "shm_size": "128m",
        "stop_signal": "SIGINT",
        "stop_grace_period": "60s",
        "networks": ["data"],
    }
    if container.image is not None:
        return {"image": container.image, **common, **_foreign_postgres(stack)}
    environment = {**{name: required(name) for name in PASSWORDS}, **postgres_variables(stack)}
    return {
        "image": required("GAVAN_IMAGE"),
        "command": ["python", "-m", "gavan.database.container"],
        "environment": environment,
        "volumes": [f"postgres-data:{HOME}"],
        **closed(),
        **common,
        "healthcheck": check(["python", "-m", "gavan.database.container", "ready"], start_s=300),
    }


def postgres_variables(stack: Stack) -> dict[str, str]:
    """Return what gavan.database.container is told of the server."""
    settings = {**archiving(stack), **stack.database.settings}
    return {
        "GAVAN_POSTGRES_MEMORY": str(stack.database.container.memory),
        "GAVAN_POSTGRES_CONNECTIONS": str(stack.database.max_connections),
        "GAVAN_POSTGRES_DATABASE": stack.database.name,
        "GAVAN_POSTGRES_SETTINGS": json.dumps(settings),
    }


def _foreign_postgres(stack: Stack) -> Service:
    """Return what an official image is told; our roles are made by the migrate job."""
    return {
        **foreign("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"),
        "environment": {
            "POSTGRES_USER": "supabase_admin",
            "POSTGRES_PASSWORD": required("ADMIN_PASSWORD"),
            "POSTGRES_DB": stack.database.name,
        },
        "command": ["postgres", "-c", "wal_level=logical", "-c",
                    f"max_connections={stack.database.max_connections}"],
        "volumes": ["postgres-data:/var/lib/postgresql"],
        "healthcheck": check(
            ["pg_isready", "-q", "-U", "supabase_admin", "-d", stack.database.name], start_s=300
        ),
    }  # fmt: skip


def core(plan: Plan) -> Service:
    """Return one slot of the core."""
    stack = plan.stack
    tells = stack.backup.schedule is not None
    known = without_machine(core_env(plan.around))
    environment = known | {
        # Only the proxy reaches it from outside, and says who asks.
        RATE_HEADER: known.get(RATE_HEADER) or "X-Forwarded-For",
        "GAVAN_CORE_HOST": "0.0.0.0",  # noqa: S104 - inside the network of the stack
        "API_EXTERNAL_URL": public_url(stack.core.host),
        "FILE_STORAGE_BACKEND_PATH": f"{HOME}/storage",
        "GAVAN_CORS_ORIGINS": optional("GAVAN_CORS_ORIGINS"),
        "GAVAN_INBOX_DIR": optional("GAVAN_INBOX_DIR"),
        "GAVAN_LOG_FORMAT": "json",
        VARIABLE: f"{HOME}/state/{FILE}" if tells else "",
        **release(),
    }
    code = (
        "import urllib.request as u;"
        f"u.urlopen('http://127.0.0.1:{stack.core.port}/health',timeout=2)"
    )
    return {
        "command": ["python", "-m", "gavan.core"],
        "environment": environment,
        "volumes": [
            f"storage-data:{HOME}/storage",
            # Health says how old the newest backup is.
            *([f"state-data:{HOME}/state:ro"] if tells else []),
        ],
        "stop_grace_period": f"{CORE_STOP_S}s",
        **closed(),
        **limits(stack.core.container),
        "networks": ["app", "data"],
        "healthcheck": check(["python", "-c", code], start_s=60),
        "depends_on": {"migrate": {"condition": "service_completed_successfully"}},
    }


def app(plan: Plan, one: App) -> Service:
    """Return an app, or one slot of it; its image is a variable, filled by a release."""
    texts = plan.source.table(("apps", one.name, "env"))
    known = addresses(plan.stack)
    environment = {
        **given(plan),
        **broker_variables(plan.stack, one),
        "WORKERS": str(one.workers),
        **({"PORT": str(one.port), "HOST": "0.0.0.0"} if one.port else {}),  # noqa: S104 - as above
        **{name: written(name, scalar_text(text) or "", known) for name, text in texts.items()},
        **{name: required(name) for name in one.secrets},
    }
    waits = {need: condition.value for need, condition in one.needs.items()}
    return {
        "environment": environment,
        "restart": _RESTARTS[one.restart],
        "init": True,
        "stop_signal": one.stop_signal,
        "stop_grace_period": f"{one.stop_timeout_s:g}s",
        "security_opt": ["no-new-privileges:true"],
        "cap_drop": ["ALL"],
        "tmpfs": [TMP],
        **limits(one.container),
        "networks": ["app", "data"],
        "depends_on": {**_needs(plan.stack, waits), **after_buckets(plan.stack)},
        "logging": LOGGING,
    }


def site(plan: Plan, one: Site) -> Service:
    """Return one slot of a site: its files, filled with the addresses of this place."""
    urls = {
        f"{one.env_prefix}SUPABASE_URL": public_url(plan.stack.core.host),
        f"{one.env_prefix}SUPABASE_ANON_KEY": required("ANON_KEY"),
        f"{one.env_prefix}SUPABASE_PUBLISHABLE_KEY": required("SUPABASE_PUBLISHABLE_KEY"),
    }
    return {
        "environment": {name: urls[name] for name in late_variables(one)} | release(),
        **closed(),
        **limits(one.container),
        "networks": ["app"],
    }


def proxy() -> Service:
    """Return Caddy, the only service with ports of the host."""
    return {
        "image": optional("CADDY_IMAGE", "caddy:2"),
        "command": ["caddy", "run", "--config", f"{CADDY_FOLDER}/Caddyfile",
                    "--adapter", "caddyfile"],
        "environment": {
            "DOMAIN": required("DOMAIN"),
            "CADDY_SCHEME": optional("CADDY_SCHEME"),
            "CADDY_TLS": optional("CADDY_TLS"),
            "CADDY_GLOBAL": optional("CADDY_GLOBAL"),
            "CADDY_HSTS": optional("CADDY_HSTS"),
            "PUBLIC_PORT": optional("PUBLIC_PORT"),
        },
        "ports": [f"{optional('HTTP_PORT', '80')}:80", f"{optional('HTTPS_PORT', '443')}:443",
                  f"{optional('HTTPS_PORT', '443')}:443/udp"],
        "volumes": [
            # Folders: a file of its own would stay the one that was there when Caddy began.
            f"./caddy:{CADDY_FOLDER}:ro",
            f"{required('SLOTS_DIR')}:{SLOTS_FOLDER}:ro",
            "caddy-data:/data",
        ],
        "tmpfs": ["/run/caddy", "/config", TMP],
        "restart": "unless-stopped",
        "init": True,
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": ["NET_BIND_SERVICE"],
        "security_opt": ["no-new-privileges:true"],
        **limits(PROXY_LIMITS),
        "networks": {"edge": None, "app": {"aliases": [INSIDE]}},
        "stop_grace_period": "30s",
        "healthcheck": check(["/bin/sh", "-c", _CADDY_PROBE], start_s=15),
        "logging": LOGGING,
    }  # fmt: skip


_RESTARTS = {"always": "unless-stopped", "on-failure": "on-failure", "no": "no"}
_CONDITIONS = {
    "started": "service_started",
    "healthy": "service_healthy",
    "completed": "service_completed_successfully",
}


def _needs(stack: Stack, waits: Mapping[str, str]) -> Service:
    """Return what an app waits for; of a part with slots the first one stands for it."""
    with_slots = {CORE, *(one.name for one in stack.apps if is_slotted(one))}
    found: Service = {}
    for need, condition in waits.items():
        if need == CORE and stack.core.is_official:
            found |= official.ready(stack)
            continue
        if need == "database" or (need == QUEUE and not has_broker(stack)):
            found["migrate"] = {"condition": "service_completed_successfully"}
            continue
        name = BROKER if need == QUEUE else need
        name = f"{need}-{SLOTS[0]}" if need in with_slots else name
        found[name] = {"condition": _CONDITIONS[condition]}
    return found


def given(plan: Plan) -> dict[str, str]:
    """Return the well-known names that apps and jobs are given."""
    return without_machine(provided(plan.around)) | {
        "SUPABASE_URL": inside_url(plan.stack.core.port),
        **s3_variables(plan.stack, plan.around),
        "ENV": required("GAVAN_PROFILE"),
        "NODE_ENV": "production",
        **release(),
    }


def release() -> dict[str, str]:
    """Return what tells a container the tag of the release that it was started by."""
    return {"GAVAN_RELEASE": optional("GAVAN_RELEASE")}


def without_machine(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what a process inherits of the machine it is made on."""
    inherited = base_env()
    return {name: value for name, value in env.items() if name not in inherited}
