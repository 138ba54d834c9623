"""[backup]: what is written and what holds without it, and what cannot stand together."""

from __future__ import annotations

import pytest

from gavan.kit.secret import Secret
from gavan.stack.findings import render
from gavan.stack.model import Encryption
from tests.unit.stack.conftest import LoadFactory

AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudl09wcqskj4m7"
PRINT = "0123456789ABCDEF0123456789ABCDEF01234567"
OFFSITE = (
    '[backup.offsite]\nendpoint = "https://s3.example.com"\nbucket = "b"\nprefix = "crm"\n'
    'key_id = "k"\nsecret = "secret://BACKUP_SECRET"\n'
)


def test_without_the_section_nothing_is_scheduled(load_factory: LoadFactory) -> None:
    stack = load_factory().stack
    assert stack.backup.schedule is None
    assert stack.backup.drill.schedule is None
    assert stack.backup.dir == stack.root / "backups"
    assert (stack.backup.keep.daily, stack.backup.keep.weekly, stack.backup.keep.monthly) == (
        7,
        4,
        6,
    )
    assert stack.backup.encrypt.method is Encryption.NONE


def test_the_section_alone_schedules_a_daily_backup(load_factory: LoadFactory) -> None:
    backup = load_factory("[backup]\n").stack.backup
    assert backup.schedule == "30 3 * * *"
    assert backup.max_age_s == 26 * 3600


def test_a_second_place_has_its_address_and_keys(load_factory: LoadFactory) -> None:
    loaded = load_factory(OFFSITE, environ={"BACKUP_SECRET": "hush"})
    assert loaded.findings == (), render(loaded.findings)
    offsite = loaded.stack.backup.offsite
    assert offsite is not None
    assert (offsite.s3.endpoint, offsite.s3.bucket, offsite.prefix) == (
        "https://s3.example.com", "b", "crm",
    )  # fmt: skip
    assert offsite.s3.secret_access_key == Secret("hush")
    assert "hush" not in repr(loaded.stack)


def test_a_secret_in_the_file_is_a_finding(load_factory: LoadFactory) -> None:
    loaded = load_factory(OFFSITE.replace("secret://BACKUP_SECRET", "written-here"))
    assert [finding.code for finding in loaded.findings] == ["GV151"]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (f'[backup.encrypt]\nmethod = "age"\nrecipients = ["{AGE}"]', []),
        (f'[backup.encrypt]\nmethod = "gpg"\nrecipients = ["{PRINT}"]', []),
        ('[backup.encrypt]\nmethod = "age"', ["GV165"]),
        (f'[backup.encrypt]\nrecipients = ["{AGE}"]', ["GV165"]),
        (f'[backup.encrypt]\nmethod = "age"\nrecipients = ["{AGE[:-1]}"]', ["GV165"]),
        (f'[backup.encrypt]\nmethod = "gpg"\nrecipients = ["{PRINT[:-1]}"]', ["GV165"]),
        ("[backup.keep]\nmin = 3\ndaily = 1\nweekly = 1\nmonthly = 0", ["GV166"]),
        ('[backup]\ndir = "dist/b"\n[sites.web]\n', ["GV163"]),
        ('[backup]\ndir = ".gavan/backups"\n', ["GV163"]),
        ('[backup]\nschedule = "at night"', ["GV105"]),
        ('[backup.offsite]\nbucket = "b"', ["GV103", "GV103"]),
    ],
)
def test_what_cannot_stand_is_found(text: str, codes: list[str], load_factory: LoadFactory) -> None:
    loaded = load_factory(text)
    assert [finding.code for finding in loaded.findings] == codes, render(loaded.findings)


def test_a_second_place_on_this_machine_is_doubted(load_factory: LoadFactory) -> None:
    text = OFFSITE.replace("https://s3.example.com", "http://127.0.0.1:9000")
    loaded = load_factory(text, environ={"BACKUP_SECRET": "hush"})
    assert [finding.code for finding in loaded.findings] == ["GV164"]
    assert loaded.errors == ()
