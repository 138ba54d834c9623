"""PostgREST's variables become settings, with PostgREST's defaults."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gavan.core.gateway.alone_settings import read_alone
from gavan.core.listening import Address, UnixSocket, bind
from gavan.database.pool import Times
from gavan.kit.errors import GavanError


def test_without_variables_it_is_a_postgrest_without_variables() -> None:
    settings = read_alone({})
    assert (settings.host, settings.port, settings.pool_size) == ("0.0.0.0", 3000, 10)
    assert settings.pool_times == Times(acquire_s=10, idle_s=30, life_s=1800)
    assert (settings.recovers, settings.prepares, settings.listens) == (True, True, True)
    assert (settings.unix_socket, settings.admin) == (None, None)
    assert settings.least_logged_status == 500


def test_the_times_of_the_pool_are_told_also_by_the_older_name() -> None:
    told = {"PGRST_DB_POOL_ACQUISITION_TIMEOUT": "3", "PGRST_DB_POOL_MAX_LIFETIME": "60"}
    assert read_alone({**told, "PGRST_DB_POOL_TIMEOUT": "5"}).pool_times == Times(
        acquire_s=3, idle_s=5, life_s=60
    )


@pytest.mark.parametrize(
    ("level", "least"), [("crit", 1000), ("error", 500), ("warn", 400), ("info", 0), ("debug", 0)]
)
def test_the_level_says_from_which_status_a_request_is_logged(level: str, least: int) -> None:
    assert read_alone({"PGRST_LOG_LEVEL": level}).least_logged_status == least


def test_the_admin_server_listens_where_the_api_does_unless_told_otherwise() -> None:
    told = {"PGRST_SERVER_HOST": "127.0.0.1", "PGRST_ADMIN_SERVER_PORT": "3001"}
    assert read_alone(told).admin == Address(host="127.0.0.1", port=3001)
    elsewhere = read_alone({**told, "PGRST_ADMIN_SERVER_HOST": "!6"}).admin
    assert elsewhere == Address(host="::", port=3001)
    unix = read_alone({**told, "PGRST_ADMIN_SERVER_UNIX_SOCKET": "/run/a.sock"}).admin
    assert unix == Address(unix=UnixSocket(Path("/run/a.sock"), 0o660))


@pytest.mark.parametrize("mode", ["577", "1000", "6a0", "800", "-660"])
def test_a_mode_that_shuts_out_the_owner_is_refused(mode: str) -> None:
    told = {"PGRST_SERVER_UNIX_SOCKET": "/run/a.sock", "PGRST_SERVER_UNIX_SOCKET_MODE": mode}
    with pytest.raises(GavanError, match="PGRST_SERVER_UNIX_SOCKET_MODE"):
        read_alone(told)


def test_every_address_of_both_families_is_one_socket() -> None:
    settings = read_alone({"PGRST_SERVER_HOST": "*"})
    assert settings.rest["openapi_server_proxy_uri"] == "http://0.0.0.0:3000/"
    with bind(Address(host=settings.host)) as server:
        server.listen()
        port = server.getsockname()[1]
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            if family == socket.AF_INET6 and server.family != family:
                continue  # this machine has no IPv6
            with socket.socket(family) as client:
                assert client.connect_ex((host, port)) == 0
