"""Clients that follow tables: join, wait until changes flow, read them one by one."""

from __future__ import annotations

from typing import Any

from tests.integration.core.realtime.wire import RawClient, token

TOPIC = "realtime:changes"
ANN = "11111111-1111-4111-8111-111111111111"
BOB = "22222222-2222-4222-8222-222222222222"


async def follow(
    client: RawClient, *entries: dict[str, object], user: str = ANN, access_token: str = ""
) -> list[int]:
    """Join for changes as a user and wait until they flow; return the ids."""
    reply = await client.join(
        TOPIC,
        {"postgres_changes": list(entries)},
        access_token=access_token or token(sub=user),
    )
    assert reply["status"] == "ok"
    await subscribed(client)
    return [entry["id"] for entry in reply["response"]["postgres_changes"]]


async def subscribed(client: RawClient) -> None:
    """Wait until the server says that changes flow."""
    assert (await client.expect("system")).payload == {
        "extension": "postgres_changes",
        "status": "ok",
        "message": "Subscribed to PostgreSQL",
        "channel": "changes",
    }


def table(name: str, **more: object) -> dict[str, object]:
    """Return the entry that follows all of a table."""
    return {"event": "*", "schema": "public", "table": name, **more}


async def change(client: RawClient) -> Any:
    """Return the data of the next change."""
    return (await client.expect("postgres_changes")).payload["data"]
