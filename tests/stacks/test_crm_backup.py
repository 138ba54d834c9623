"""The CRM is backed up, restored and drilled as its README says, with the words of its Makefile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.backups.keyring import keyring
from tests.stacks.running_stack import RunningStack

VERBS = {
    "up": "up", "down": "down", "logs": "logs -f", "seed": "seed", "migrate": "migrate up",
    "backup": "backup run", "restore": "backup restore latest", "web": "up proxy", "dev": "dev",
}  # fmt: skip
GAVAN = f"{sys.executable} -m gavan"


# The tests are often begun by `make test`, and a make below a make says so in what it prints.
OUTER_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")


def make(crm: RunningStack, *words: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in OUTER_MAKE}
    done = subprocess.run(["make", *words], cwd=crm.root, capture_output=True, text=True,
                          check=False, env=environment)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def count(crm: RunningStack) -> int:
    said = json.loads(crm.gavan("db", "query", "--json", "select count(*) as n from public.card"))
    return int(said["data"][0]["n"])


@pytest.mark.parametrize("word", VERBS)
def test_each_word_of_the_makefile_is_one_verb(crm: RunningStack, word: str) -> None:
    assert make(crm, "-n", word).strip() == f"gavan {VERBS[word]}"


def test_a_lost_board_comes_back_with_its_cards(crm: RunningStack) -> None:
    before = count(crm)
    make(crm, "backup", f"GAVAN={GAVAN}")
    crm.gavan("db", "query", "delete from public.card")
    assert count(crm) == 0
    make(crm, "restore", f"GAVAN={GAVAN} --yes")
    assert count(crm) == before > 0
    assert crm.is_ready()


def test_a_drill_proves_the_backup_and_leaves_nothing(crm: RunningStack) -> None:
    make(crm, "backup", f"GAVAN={GAVAN}")
    drilled = json.loads(crm.gavan("backup", "drill", "--json"))["data"]
    answers: dict[str, Any] = {check["name"]: check["outcome"] for check in drilled["checks"]}
    assert set(answers.values()) <= {"ok", "skip"}, answers
    assert answers["sign-in"] == answers["rows"] == answers["questions"] == "ok"
    left = [path for path in (crm.root / ".gavan" / "scratch").iterdir() if path.is_dir()]
    assert left == []


def test_production_encrypts_for_a_key_that_the_server_does_not_have(crm: RunningStack) -> None:
    with keyring() as ring:
        fingerprint = ring.make("ops <ops@example.com>")
        ring.without_private_keys()
        words = [*GAVAN.split(), "-p", "prod", "--set", "profiles.prod.engine=embedded"]
        env = {**os.environ, "GNUPGHOME": str(ring.home), "BACKUP_GPG_KEY": fingerprint,
               "GITHUB_SECRET": "x"}  # fmt: skip
        done = subprocess.run([*words, "--json", "backup", "run"], cwd=crm.root, env=env,
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        made = json.loads(done.stdout)["data"]["manifest"]
    assert made["encryption"] == {"method": "gpg", "recipients": [fingerprint]}
    folder = crm.root / "backups" / str(made["id"])
    names = {path.name for path in folder.iterdir()} - {"manifest.json", "objects.list.gz"}
    assert all(Path(name).suffix == ".gpg" for name in names), names
