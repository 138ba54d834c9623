"""The keys of tokens change while people are connected: the core begins anew with other keys."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gavan.core.realtime.app import build
from gavan.kit.keyset import KeySet, make_jwk, read_key_set, shared_set
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.following import ANN, BOB, TOPIC, change, follow, table
from tests.integration.core.realtime.wire import ANON, DEADLINE_S, SECRET, RawClient

NOTE = table("note")
SCHEMA = """
create table public.note (id int primary key, owner uuid not null);
alter table public.note enable row level security;
create policy own on public.note using (owner = auth.uid());
alter publication supabase_realtime add table public.note;
create policy team on realtime.messages to authenticated using (true) with check (true);
"""


def key_set(*keys: dict[str, Any], signer: dict[str, Any], legacy: Secret = SECRET) -> KeySet:
    listed = [
        key | {"key_ops": ["sign", "verify"] if key is signer else ["verify"]} for key in keys
    ]
    return read_key_set(Secret(json.dumps(listed)), legacy=legacy)


@pytest.fixture(autouse=True)
def schema(database: Database) -> None:
    with database.connect() as writer:
        writer.execute(SCHEMA.encode())


def token(keys: KeySet, user: str) -> str:
    claims = {"role": "authenticated", "sub": user, "exp": int(time.time()) + 600}
    return keys.sign(claims)


def put(database: Database, number: int, owner: str) -> None:
    with database.connect() as writer:
        writer.execute("insert into note values (%s, %s)", (number, owner))


async def is_sent_away(client: RawClient) -> None:
    """The socket is closed so that clients come back."""
    with pytest.raises(ConnectionClosed) as closed:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                await client.socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


async def test_people_come_back_with_the_tokens_that_still_verify(database: Database) -> None:
    first, second = make_jwk("ES256"), make_jwk("ES256")
    before = key_set(first, signer=first)
    between = key_set(first, second, signer=second)
    after = key_set(second, signer=second)
    ann_token, bob_token = token(before, ANN), token(between, BOB)

    service = build(replace(settings_of(database), keys=before))
    async with serving(service) as server:
        ann = await server.client()
        await follow(ann, NOTE, access_token=ann_token)
        put(database, 1, ANN)
        assert (await change(ann))["record"]["id"] == 1
        await asyncio.gather(service.stop(), is_sent_away(ann))

    async with serving(build(replace(settings_of(database), keys=between))) as server:
        ann, bob = await server.client(), await server.client()
        await follow(ann, NOTE, access_token=ann_token)
        await follow(bob, NOTE, access_token=bob_token)
        put(database, 2, BOB)
        put(database, 3, ANN)
        assert (await change(ann))["record"]["id"] == 3
        assert (await change(bob))["record"]["id"] == 2
        # A fresh token of the new key in mid-stream: the same person goes on.
        await ann.send(TOPIC, "access_token", {"access_token": token(between, ANN)})
        await ann.expect("system")
        put(database, 4, ANN)
        assert (await change(ann))["record"]["id"] == 4
        assert await bob.is_quiet()

    async with serving(build(replace(settings_of(database), keys=after))) as server:
        ann, bob = await server.client(), await server.client()
        refused = await ann.join(TOPIC, {"postgres_changes": [NOTE]}, access_token=ann_token)
        assert refused["status"] == "error"
        assert refused["response"]["reason"].startswith("JwtSignatureError: ")
        private = await ann.join("realtime:team", {"private": True}, access_token=ann_token)
        assert private["status"] == "error"
        await follow(bob, NOTE, access_token=bob_token)
        put(database, 5, ANN)
        put(database, 6, BOB)
        assert (await change(bob))["record"]["id"] == 6
        assert await ann.is_quiet()


async def test_a_token_of_a_key_that_is_not_known_yet_ends_the_channel_and_not_the_socket(
    database: Database,
) -> None:
    first, second = make_jwk("ES256"), make_jwk("ES256")
    keys, later = key_set(first, signer=first), key_set(second, signer=second)
    async with serving(build(replace(settings_of(database), keys=keys))) as server:
        ann, bob = await server.client(), await server.client()
        await follow(ann, NOTE, access_token=token(keys, ANN))
        await follow(bob, NOTE, access_token=token(keys, BOB))
        await ann.send(TOPIC, "access_token", {"access_token": token(later, ANN)})
        assert "signature" in (await ann.expect("system")).payload["message"]
        await ann.expect("phx_close")
        put(database, 1, ANN)
        put(database, 2, BOB)
        assert (await change(bob))["record"]["id"] == 2
        assert await ann.is_quiet()


async def test_with_another_secret_the_keys_of_before_open_nothing(database: Database) -> None:
    keys = shared_set(Secret("another-secret-of-at-least-thirty-two-characters"))
    anon = keys.sign({"role": "anon", "exp": int(time.time()) + 600})
    async with serving(build(replace(settings_of(database), keys=keys))) as server:
        with pytest.raises(InvalidStatus) as refused:
            await server.client(key=ANON)
        assert refused.value.response.status_code == 401
        ann, bob = await server.client(key=anon), await server.client(key=anon)
        old = token(shared_set(SECRET), ANN)
        reply = await ann.join(TOPIC, {"postgres_changes": [NOTE]}, access_token=old)
        assert reply["response"]["reason"].startswith("JwtSignatureError: ")
        await follow(bob, NOTE, access_token=token(keys, BOB))
        put(database, 1, ANN)
        put(database, 2, BOB)
        assert (await change(bob))["record"]["id"] == 2
        assert await ann.is_quiet()
