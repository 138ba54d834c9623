"""Text of the configuration files, URLs and password hashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gavan.database.bootstrap import matches_verifier, system_files
from gavan.database.configuration import render_conf, write_trusted_controls
from gavan.database.embedded import loopback_url
from gavan.kit.secret import Secret


def conf(**settings: str) -> dict[str, str]:
    text = render_conf(
        port=5555,
        socket_dir=Path("/run/it's here"),
        extension_dirs=(Path("/a"), Path("/b")),
        max_connections=7,
        settings=settings,
    )
    lines = [line.split(" = ", 1) for line in text.splitlines() if " = " in line]
    return {name: value for name, value in lines}


def test_values_are_quoted_so_that_nothing_leaves_its_line() -> None:
    assert conf()["unix_socket_directories"] == "'/run/it''s here'"
    assert (
        conf(application_name="a\\b\nfsync = off")["application_name"] == "'a\\\\b\\nfsync = off'"
    )


def test_settings_of_the_stack_file_win() -> None:
    assert conf()["jit"] == "'off'"
    assert conf(jit="on")["jit"] == "'on'"


def test_shims_are_found_before_the_extensions_of_the_distribution() -> None:
    assert conf()["extension_control_path"] == "'/a:/b:$system'"


def test_trusted_copies_keep_the_facts_of_the_original(tmp_path: Path) -> None:
    source = tmp_path / "share" / "extension"
    source.mkdir(parents=True)
    original = "comment = 'x'\ndefault_version = '1.8'\nsuperuser = true\nrelocatable = true\n"
    (source / "citext.control").write_text(original)
    write_trusted_controls(tmp_path / "share", tmp_path / "made")
    assert (tmp_path / "made" / "extension" / "citext.control").read_text() == (
        "comment = 'x'\ndefault_version = '1.8'\nrelocatable = true\n"
        f"trusted = true\ndirectory = '{source}'\n"
    )


@pytest.mark.parametrize("password", ["pencil", "p@ss/w:rd%"])
def test_passwords_are_encoded_in_urls(password: str) -> None:
    url = loopback_url("postgres", Secret(password), port=5, database="a b").reveal()
    assert url.endswith("@127.0.0.1:5/a%20b")
    assert url.count("@") == 1


def test_a_scram_verifier_is_recognised() -> None:
    # Keys of RFC 7677, section 3: user "user", password "pencil".
    verifier = (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
    assert matches_verifier(verifier, Secret("pencil"))
    assert not matches_verifier(verifier, Secret("pen"))
    assert not matches_verifier("md5abc", Secret("pencil"))
    assert not matches_verifier("", Secret("pencil"))


def test_system_files_are_numbered_once_and_in_order() -> None:
    versions = [file.version for file in system_files()]
    assert versions == sorted(set(versions))
    assert all(version.isdigit() and len(version) == 3 for version in versions)
