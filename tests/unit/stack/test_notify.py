"""[notify.<name>]: its defaults, its secrets, targets that are none."""

from __future__ import annotations

import pytest

from tests.unit.stack.conftest import LoadFactory

CHANNEL = '[notify.team]\ntype = "{kind}"\ntarget = "secret://T"\n'


def test_a_channel_hears_of_releases_and_of_what_is_bad(load_factory: LoadFactory) -> None:
    loaded = load_factory(CHANNEL.format(kind="slack"), environ={"T": "https://hooks.example/x"})
    assert loaded.findings == ()
    (channel,) = loaded.stack.notify
    assert channel.events == (
        "deploy.*", "backup.partial", "backup.failed", "backup.too_old", "backup.gap",
        "drill.failed", "drill.too_old",
    )  # fmt: skip
    assert "hooks.example" not in repr(loaded.stack)


def test_a_target_in_the_file_itself_is_a_finding(load_factory: LoadFactory) -> None:
    loaded = load_factory('[notify.team]\ntype = "slack"\ntarget = "https://hooks.example/x"\n')
    assert [finding.code for finding in loaded.findings] == ["GV151"]


@pytest.mark.parametrize(
    ("kind", "target", "codes"),
    [
        ("email", "smtps://u:p@mail.example?from=a@x.example&to=b@x.example", []),
        ("email", "https://mail.example", ["GV167"]),
        ("email", "smtp://mail.example?to=b@x.example", ["GV167"]),
        ("telegram", "https://api.telegram.org/bot1:x/sendMessage", ["GV167"]),
        ("ntfy", "https://ntfy.sh/", ["GV167"]),
        ("webhook", "ftp://example.com/x", ["GV167"]),
        ("webhook", "http://[::1", ["GV167"]),
        ("webhook", "https://example.com:99999/x", ["GV167"]),
    ],
)
def test_a_target_fits_its_type(
    load_factory: LoadFactory, kind: str, target: str, codes: list[str]
) -> None:
    loaded = load_factory(CHANNEL.format(kind=kind), environ={"T": target})
    assert [finding.code for finding in loaded.findings] == codes
    assert not any(target in f"{finding.message} {finding.why}" for finding in loaded.findings)


def test_an_event_that_never_comes_is_a_finding(load_factory: LoadFactory) -> None:
    text = CHANNEL.format(kind="slack") + 'events = ["backups.*"]\nquiet_hours = "22-6"\n'
    loaded = load_factory(text, environ={"T": "https://hooks.example/x"})
    assert len(loaded.findings) == 2


def test_what_is_missing_is_told_once(load_factory: LoadFactory) -> None:
    loaded = load_factory("[notify.team]\n")
    assert [finding.code for finding in loaded.findings] == ["GV103", "GV103"]
