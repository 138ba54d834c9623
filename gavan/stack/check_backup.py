"""What of [backup] has to stand together; beside check.py, findings only.

Runs no program: whether a GPG key has expired is asked when a backup is made.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from gavan.stack.findings import Level
from gavan.stack.model import Encryption, KeyPath, Stack
from gavan.stack.source import Report, Source

_AGE = re.compile(
    r"age1[02-9ac-hj-np-z]{58}|age1[a-z0-9]+1[02-9ac-hj-np-z]{6,}|ssh-(ed25519|rsa) .+"
)
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{40}")
_HERE: KeyPath = ("backup",)


def check_backup(stack: Stack, source: Source, report: Report) -> None:
    """Note a folder that goes with the data or that strangers could read, recipients that are
    none, a second place that is the first, and a minimum that no rule reaches."""
    _dir(stack, source, report)
    _recipients(stack, source, report)
    _offsite(stack, source, report)
    _minimum(stack, source, report)


def _dir(stack: Stack, source: Source, report: Report) -> None:
    folder = stack.backup.dir.resolve()
    if folder.is_relative_to(stack.state_dir.resolve()):
        report.add(
            source.value((*_HERE, "dir")),
            "GV163",
            f"the folder of backups lies in {stack.state_dir.name}, with the data",
            why="`gavan down --volumes` removes that folder, and the backups with it",
            mend='put it elsewhere: dir = "backups"',
        )
    for site in stack.sites:
        if folder.is_relative_to((site.dir / site.output).resolve()):
            report.add(
                source.value((*_HERE, "dir")),
                "GV163",
                f'the folder of backups lies in what the site "{site.name}" serves',
                why="whoever opens the site could fetch the whole database",
                mend='put it elsewhere: dir = "backups"',
            )


def _recipients(stack: Stack, source: Source, report: Report) -> None:
    encrypt = stack.backup.encrypt
    here: KeyPath = (*_HERE, "encrypt")
    if encrypt.method is not Encryption.NONE and not encrypt.recipients:
        report.add(
            source.value((*here, "method")),
            "GV165",
            f'method = "{encrypt.method}" encrypts for nobody',
            why="without a public key there is nothing to encrypt with",
            mend="add: recipients = [...]",
        )
    if encrypt.method is Encryption.NONE and encrypt.recipients:
        report.add(
            source.value((*here, "recipients")),
            "GV165",
            "recipients are named, but nothing is encrypted",
            why='method is "none"',
            mend='add: method = "age", or "gpg"',
        )
    for index, recipient in enumerate(encrypt.recipients):
        if not _may_be(encrypt.method, recipient):
            report.add(
                source.value((*here, "recipients", index)),
                "GV165",
                "this is no recipient",
                why="age: a public key (age1..., ssh-ed25519 ...). gpg: a fingerprint of 40 digits,"
                " or a file with a public key",
                mend="age-keygen -y KEYFILE prints one, gpg --fingerprint shows the other",
            )


def _may_be(method: Encryption, recipient: str) -> bool:
    match method:
        case Encryption.AGE:
            return bool(_AGE.fullmatch(recipient))
        case Encryption.GPG:
            digits = recipient.replace(" ", "")
            return bool(_FINGERPRINT.fullmatch(digits)) or Path(recipient).is_file()
    return True


def _offsite(stack: Stack, source: Source, report: Report) -> None:
    offsite = stack.backup.offsite
    if offsite is None or not offsite.s3.endpoint:
        return
    here: KeyPath = (*_HERE, "offsite", "endpoint")
    parts = urlsplit(offsite.s3.endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        report.add(
            source.value(here),
            "GV102",
            '"endpoint" is not the URL of an S3',
            why="it begins with https:// and names a server",
            mend='write it like endpoint = "https://s3.example.com"',
        )
    elif _is_here(parts.hostname):
        report.add(
            source.value(here),
            "GV164",
            f"the second place is this machine: {parts.hostname}",
            why="what takes the disk takes both",
            mend="name an S3 elsewhere",
            level=Level.WARNING,
        )


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _minimum(stack: Stack, source: Source, report: Report) -> None:
    keep = stack.backup.keep
    total = keep.daily + keep.weekly + keep.monthly
    if keep.min > total:
        report.add(
            source.value((*_HERE, "keep", "min")),
            "GV166",
            f"at least {keep.min} are kept, but daily, weekly and monthly together want {total}",
            why="the minimum is for days without a backup; it is not a number to keep",
            mend="raise daily",
            level=Level.WARNING,
        )
