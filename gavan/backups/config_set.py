"""The files that make the stack what it is, as one archive beside the database.

Stands beside the dump. What is secret (.env files, keys) goes in only where it is encrypted.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

from gavan.backups.model import StoredFile
from gavan.backups.sealing import Clear, Sealer
from gavan.backups.streams import sealed_gzip
from gavan.stack.layers import env_files
from gavan.stack.model import Stack

NAME = "config.tar.gz"


def store_config(stack: Stack, folder: Path, sealer: Sealer) -> StoredFile:
    """Write the archive; its paths are from the root of the stack."""
    is_sealed = sealer.method != Clear.method
    with (
        sealed_gzip(folder, NAME, sealer) as (packed, below),
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        for path in sorted(set(config_files(stack, with_secrets=is_sealed))):
            archive.add(path, arcname=str(path.relative_to(stack.root)), recursive=False)
    return below.result()


def config_files(stack: Stack, *, with_secrets: bool) -> Iterator[Path]:
    """Walk the files: stack file, migrations, seeds, supabase/config.toml; keys and .env."""
    seed = stack.database.seed
    named = [stack.file, stack.root / "supabase" / "config.toml", *seed.files, *seed.mock]
    migrations = stack.database.migrations.dir
    if migrations.is_dir():
        named += migrations.rglob("*.sql")
    if with_secrets:
        named += [stack.root / name for name in env_files(stack.profile)]
        secrets = stack.state_dir / "secrets"
        if secrets.is_dir():
            named += [path for path in secrets.iterdir() if not path.name.startswith(".")]
    for path in named:
        # A link may lead anywhere; what is not below the root has no path in the archive.
        if path.is_file() and not path.is_symlink() and path.is_relative_to(stack.root):
            yield path
