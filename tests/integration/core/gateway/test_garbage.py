"""Random requests to every service of a real core: answers of the protocol, never a defect."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from tests.conftest import Database
from tests.integration.core.gateway.test_process import Core, environment
from tests.servers import wait_until

REQUESTS = 400
METHODS = (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"HEAD", b"FOO")
PREFIXES = (b"/rest/v1/", b"/auth/v1/", b"/realtime/v1/", b"/graphql/v1", b"/rest-admin/v1/")
PIECES = (
    *(
        b"//",
        b"/..",
        b"%00",
        b"%ff",
        b"%2f",
        b"?",
        b"&",
        b"=",
        b"'",
        b"%22",
        b"(",
        b")",
        b",",
        b"*",
    ),
    *(b"select=*", b"apikey=", b"eq.", b"rpc/", b"or=(", b"limit=-1", b"order=", b"a.b", b"->>"),
    *(b"::int", b"\xc3\xa9", b"http://x/", b"token?grant_type=password", b"user", b"signup"),
    *(b"websocket?vsn=1.0.0", b"api/broadcast", b"verify", b"authorize", b"admin/users?page=1"),
)
HEADERS = (
    *(b"apikey: sb_secret_test", b"apikey: sb_publishable_test", b"authorization: Bearer x.y.z"),
    *(b"authorization: Bearer", b"authorization: Basic zzz", b"accept: */*;q=x", b"range: -1-x"),
    b"prefer: return=representation,count=exact,handling=strict",
    b"accept: application/vnd.pgrst.object+json",
    *(b"accept-profile: \xff", b"content-profile: x", b"content-type: text/csv", b"range: 0-"),
    *(b"content-type: application/json", b"content-type: multipart/form-data", b"origin: null"),
    *(b"origin: \xff\xfe", b"access-control-request-method: X", b"x-jwt-aud: '"),
    *(b"x-supabase-api-version: 2024-13-99", b"cookie: a=b; c", b"x-request-id: \x01"),
)
BODIES = (
    *(b"", b"{}", b"[]", b"{", b"null", b'[{"a":1}]', b"a,b\n1,2", b"\xff\xfe", b"[" * 5000),
    *(b'{"email":"a@b.co","password":"123456"}', b'{"refresh_token":"aaaaaaaaaaaa"}'),
    b'{"messages":[{}]}',
)


def made(choice: random.Random) -> bytes:
    path = choice.choice(PREFIXES) + b"".join(choice.choices(PIECES, k=choice.randint(0, 4)))
    body = choice.choice(BODIES)
    lines = [choice.choice(METHODS) + b" " + path + b" HTTP/1.1", b"host: x", b"connection: close"]
    lines += choice.sample(HEADERS, choice.randint(0, 4))
    lines += [b"content-length: %d" % len(body), b"", body]
    return b"\r\n".join(lines)


def test_garbage_is_answered_and_hits_no_defect(database: Database, tmp_path: Path) -> None:
    services = "rest,auth,realtime"
    core = Core(environment(database, GAVAN_CORE_SERVICES=services), tmp_path / "core.log")
    choice = random.Random(3)
    failed = []
    try:
        wait_until(core.answers)
        for _ in range(REQUESTS):
            request = made(choice)
            with socket.create_connection(("127.0.0.1", core.port), timeout=60) as connection:
                connection.sendall(request)
                answer = connection.recv(65536)
            if not answer.startswith(b"HTTP/1.1 ") or answer[9:10] == b"5":
                failed.append((request, answer))
        assert failed == []
    finally:
        core.stop()
    assert "Traceback" not in core.log.read_text()
