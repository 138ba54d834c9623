"""The lock of a run: who holds it, an end to it, and a run that has lost it."""

from __future__ import annotations

import threading

import pytest

from gavan.database.embedded import ADMIN
from gavan.database.migration.lock import Holder, migration_lock
from gavan.database.migration.unlock import lock_holder, unlock
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.migrations import Migrations
from tests.servers import wait_until


def test_nobody_holds_a_free_lock(migrations: Migrations) -> None:
    assert lock_holder(migrations.url) is None


def test_the_holder_is_shown_with_what_it_does_and_its_run_is_ended(
    migrations: Migrations, database: Database
) -> None:
    migrations.write("000_a.sql", "create table a (id int);\nselect pg_sleep(60);")
    failures: list[GavanError] = []

    def run() -> None:
        try:
            migrations.up()
        except GavanError as error:
            failures.append(error)

    runner = threading.Thread(target=run)
    runner.start()
    # The run looks for what is in its way now and then; in between it says what it does.
    seen: list[Holder] = []

    def is_at_work() -> bool:
        holder = lock_holder(migrations.url)
        seen.extend([holder] if holder and holder.doing == "select pg_sleep(60)" else [])
        return bool(seen)

    wait_until(is_at_work)
    holder = seen[0]
    assert holder.user == "postgres"
    # This process looks for blockers too: all its connections end but the one that ends them.
    assert holder.pid in unlock(migrations.url, holder)
    runner.join(60)
    assert not runner.is_alive()
    assert lock_holder(migrations.url) is None
    assert [failure.code for failure in failures] == ["GV338"]
    assert failures[0].where == f"{migrations.folder / '000_a.sql'}:2:1"
    with database.connect() as again:
        assert again.execute("select to_regclass('public.a')").fetchone() == (None,)


def test_another_run_than_the_one_shown_is_left_alone(migrations: Migrations) -> None:
    with migration_lock(migrations.url, wait_s=0, waiting=lambda who: None):
        shown = lock_holder(migrations.url)
    assert shown is not None
    assert unlock(migrations.url, shown) == []
    with migration_lock(migrations.url, wait_s=0, waiting=lambda who: None):
        with pytest.raises(GavanError) as caught:
            unlock(migrations.url, shown)
        assert caught.value.code == "GV335"
        assert lock_holder(migrations.url) is not None


def test_a_role_that_may_not_end_the_run_is_told_who_may(
    migrations: Migrations, database: Database
) -> None:
    with migration_lock(Secret(database.url(ADMIN)), wait_s=0, waiting=lambda who: None):
        holder = lock_holder(Secret(database.url(ADMIN)))
        assert holder is not None
        with pytest.raises(GavanError) as caught:
            unlock(migrations.url, holder)
        assert caught.value.code == "GV335"
        assert f"pg_terminate_backend({holder.pid})" in (caught.value.hint or "")


def test_a_run_whose_lock_is_gone_applies_no_further_file(
    migrations: Migrations, database: Database
) -> None:
    for number in range(3):
        migrations.write(f"0{number}0_t.sql", f"create table t{number} (id int);")
    with database.connect(ADMIN) as admin:

        def end_lock(step: str, state: str, detail: str) -> None:
            if step == "010_t.sql" and state == "ok":
                admin.execute(
                    "select pg_terminate_backend(pid, 30000) from pg_stat_activity"
                    " where datname = current_database()"
                    " and application_name like 'gavan-migrate-lock/%'"
                )

        with pytest.raises(GavanError) as caught:
            migrations.up(report=end_lock)
    assert caught.value.code == "GV312"
    assert migrations.versions() == ["000", "010"]
