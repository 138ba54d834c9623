"""What a restore keeps on the server: shown with size and age, and removed unless it is used."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg

from gavan.backups.kept import KeptKind, kept_on_server, remove
from gavan.backups.rows import Table
from gavan.database.embedded import ADMIN
from gavan.kit.secret import Secret
from tests.integration.backups.restore.conftest import House


def test_what_is_kept_on_the_server_goes_unless_somebody_uses_it(house: House) -> None:
    house.backup()
    kept = house.restore().kept
    assert kept is not None
    house.restore(only=(Table.parse("public.card"),))
    admin = Secret(house.database.url(ADMIN))
    found = {one.kind: one for one in kept_on_server(admin)}
    assert found[KeptKind.DATABASE].name == kept
    assert found[KeptKind.DATABASE].bytes > 1_000_000
    assert found[KeptKind.ROWS].name.endswith("_public_card")
    for one in found.values():
        assert 0 <= (datetime.now(UTC) - one.since).total_seconds() < 600
    with psycopg.connect(house.database.cluster.url(ADMIN, kept)) as user:
        used = kept_on_server(admin)
        assert [one.name for one in used if one.user] == [kept]
        remove(admin, used)
        assert user.execute("select count(*) from card").fetchone() == (10,)
        assert [one.name for one in kept_on_server(admin)] == [kept]
    remove(admin, kept_on_server(admin))
    assert kept_on_server(admin) == []
    assert house.run("select count(*) from card") == [(10,)]
