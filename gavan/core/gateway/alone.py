"""The data API without the rest of the core: at the root path, in the place of a PostgREST.

Told by PostgREST's variables, with PostgREST's defaults. Everything else about a request (limits,
cross-origin headers, lost clients, the log) is the front door's.
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable, Mapping

from starlette.types import Receive, Scope, Send

from gavan.core.gateway.app import Gateway
from gavan.core.gateway.cors import Cors
from gavan.core.gateway.keys import bearer
from gavan.core.gateway.services import Mount
from gavan.core.rest.app import Service, build
from gavan.core.rest.options import names
from gavan.core.settings import Settings, rest_options
from gavan.database.pool import ACQUIRE_TIMEOUT_S, Pool
from gavan.kit.errors import GavanError
from gavan.kit.keyset import shared_set
from gavan.kit.secret import Secret

PORT = 3000
POOL_SIZE = 10
MAX_BODY_BYTES = 50 * 1024 * 1024
ALL_ADDRESSES = {"*": "::", "*4": "0.0.0.0", "!4": "0.0.0.0", "*6": "::", "!6": "::"}  # noqa: S104
NOTHING = Secret("")
_NUMBER = re.compile(r"\d{1,9}")


class Alone(Gateway):
    """Every path is the data API's; there are no API keys, only bearer tokens."""

    def __init__(self, settings: Settings, service: Service, pool: Pool) -> None:
        self._rest = Mount("rest", service)
        # Without a schema cache the service answers for itself, in PostgREST's words.
        self._rest.is_ready = True
        self._service = service
        self._origins = service.config.cors_origins
        super().__init__(settings, [self._rest], None, pool)

    async def start(self) -> None:
        """Start, and reload the schema cache on SIGUSR1 and SIGUSR2."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, self._service.reload)
        await super().start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (origins := self._service.config.cors_origins) is not self._origins:
            self._origins, self._cors = origins, Cors(origins)
        await super().__call__(scope, receive, send)

    def _mount(self, scope: Scope) -> Mount | None:
        del scope  # nothing to take off: no prefix
        return self._rest

    def _token(self, headers: Mapping[bytes, bytes]) -> str | None:
        return bearer(headers.get(b"authorization", b"").decode("latin-1"))


def build_alone(settings: Settings, reread: Callable[[], Settings] | None = None) -> Alone:
    """Return the application; raise GavanError GV703 for options that cannot be read.

    Args:
        reread: reads the settings anew when the configuration is reloaded.
    """
    options = settings.rest
    pool = Pool(
        settings.authenticator_url,
        size=settings.pool_size,
        application_name="gavan-rest",
        acquire_timeout_s=_number(options, "db_pool_acquisition_timeout", int(ACQUIRE_TIMEOUT_S)),
        prepare=settings.prepares,
    )
    return Alone(settings, build(settings, pool, reread), pool)


def read_alone(environ: Mapping[str, str]) -> Settings:
    """Return the settings of ``PGRST_*``; the URL of the database may lack what ``PG*`` says.

    Raises GavanError GV703 or GV152 for a variable that cannot be read.
    """
    options = rest_options(environ)
    host = options.get("server_host", "!4")
    port = _number(options, "server_port", PORT)
    return Settings(
        host=ALL_ADDRESSES.get(host, host),
        port=port,
        services=("rest",),
        authenticator_url=Secret(options.get("db_uri", "")),
        auth_admin_url=NOTHING,
        admin_url=NOTHING,
        keys=shared_set(NOTHING),
        anon_key=NOTHING,
        service_role_key=NOTHING,
        publishable_key=NOTHING,
        secret_key=NOTHING,
        external_url="",
        site_url="",
        schemas=("public",),
        extra_search_path=("public",),
        max_rows=None,
        pool_size=max(1, _number(options, "db_pool", POOL_SIZE)),
        max_body_bytes=int(environ.get("GAVAN_MAX_BODY_BYTES", str(MAX_BODY_BYTES))),
        cors_origins=names(options.get("server_cors_allowed_origins", "")),
        log_format=environ.get("GAVAN_LOG_FORMAT", "json"),
        # Nobody may come without a token unless a role is named, and what a client may do without
        # a filter is for pg-safeupdate to say.
        rest={
            "db_anon_role": "",
            "db_safe_update": "false",
            "openapi_server_proxy_uri": f"http://{ALL_ADDRESSES.get(host, host)}:{port}/",
            **options,
        },
    )


def _number(options: Mapping[str, str], name: str, default: int) -> int:
    text = options.get(name) or str(default)
    if not _NUMBER.fullmatch(text):
        raise GavanError("GV703", f"PGRST_{name.upper()} is not a number", exit_code=2)
    return int(text)
