"""`gavan types` beside the real `supabase gen types`; its modules pass the compilers, strictly.

One difference is on purpose: a row type of a schema that was not asked for is ``unknown`` with us,
while the CLI takes a relation of the same name from another schema.
"""

from __future__ import annotations

import difflib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gavan.database.embedded import ADMIN
from gavan.database.types.model import Catalogue
from gavan.database.types.python import python
from gavan.database.types.read import read_catalogue
from gavan.database.types.typescript import typescript
from gavan.kit.secret import Secret
from tests.conftest import Database

HERE = Path(__file__).parent
MODULES = HERE / "supabase_cli" / "node_modules"
ALL = ("public", "other", "v", "w", "x")
SAMENAMED = """\
create function v.other_rows(v.shipment) returns setof public.person language sql
    as 'select * from public.person';
"""


@pytest.fixture
def everything(database: Database) -> Database:
    with database.connect(ADMIN) as connection:
        connection.execute("set search_path = public")
        connection.execute((HERE / "types" / "schema.sql").read_bytes())
    return database


def _catalogue(database: Database, *schemas: str) -> Catalogue:
    return read_catalogue(Secret(database.url()), schemas)


def _theirs(node: str, major: str, database: Database, folder: Path, *schemas: str) -> str:
    entry = MODULES / major / "dist" / "supabase.js"
    options = [word for schema in schemas for word in ("--schema", schema)]
    url = database.url() + "?sslmode=disable"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "SUPABASE_TELEMETRY_DISABLED": "1",
        "DO_NOT_TRACK": "1",
        "NO_COLOR": "1",
    }
    command = [node, str(entry), "gen", "types", "--lang", "typescript", *options, "--db-url", url]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _normal(node: str, file: Path) -> list[str]:
    """Return Json, Database and Constants of a module in one layout."""
    done = subprocess.run(
        [node, str(HERE / "types" / "normal.mjs"), str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()


def _differences(
    node: str, major: str, database: Database, folder: Path, *schemas: str
) -> list[str]:
    ours, theirs = folder / "ours.ts", folder / "theirs.ts"
    ours.write_text(typescript(_catalogue(database, *schemas)))
    theirs.write_text(_theirs(node, major, database, folder, *schemas))
    lines = difflib.unified_diff(_normal(node, theirs), _normal(node, ours), n=0, lineterm="")
    return [line for line in lines if line[:2] not in ("--", "++", "@@")]


@pytest.mark.parametrize(
    ("major", "schemas"),
    [
        ("supabase", ALL),
        ("supabase-3", ALL),
        ("supabase", ("public",)),
        ("supabase", ("v",)),
        ("supabase", ("w",)),
        ("supabase", ("x",)),
    ],
)
def test_the_module_is_the_one_of_the_supabase_cli(
    cli_node: str, everything: Database, tmp_path: Path, major: str, schemas: tuple[str, ...]
) -> None:
    assert _differences(cli_node, major, everything, tmp_path, *schemas) == []


def test_a_row_of_a_schema_not_asked_for_is_unknown_and_no_namesake(
    cli_node: str, everything: Database, tmp_path: Path
) -> None:
    with everything.connect(ADMIN) as connection:
        connection.execute(SAMENAMED.encode())
    found = _differences(cli_node, "supabase", everything, tmp_path, "v")
    assert [line.replace(" ", "") for line in found] == [
        "-other_rows:anyof(",
        '-Database["v"]["Tables"]["person"]["Row"]',
        "-null)}",
        "+other_rows:unknown}",
    ]


def test_the_typescript_compiles_and_supabase_js_takes_it(
    node: str, cli_node: str, everything: Database, tmp_path: Path
) -> None:
    (tmp_path / "theirs.ts").write_text(_theirs(cli_node, "supabase", everything, tmp_path, *ALL))
    (tmp_path / "ours.ts").write_text(typescript(_catalogue(everything, *ALL)))
    (tmp_path / "use.ts").write_text((HERE / "types" / "use.ts").read_text())
    client = HERE / "node_modules" / "@supabase" / "supabase-js"
    options = {
        "strict": True,
        "noEmit": True,
        "skipLibCheck": True,
        "target": "es2022",
        "module": "esnext",
        "moduleResolution": "bundler",
        "lib": ["es2022", "dom"],
        "types": [],
        "paths": {"@supabase/supabase-js": [str(client)]},
    }
    project = {"compilerOptions": options, "files": ["use.ts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(project))
    done = subprocess.run(
        [node, str(MODULES / "typescript" / "bin" / "tsc"), "--project", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_python_passes_mypy_strict(everything: Database, tmp_path: Path) -> None:
    (tmp_path / "database_types.py").write_text(python(_catalogue(everything, *ALL)))
    (tmp_path / "use.py").write_text((HERE / "types" / "use.py.txt").read_text())
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", "--config-file=",
         "--no-incremental", "use.py", "database_types.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    # It is not only read by mypy: what a class body cannot spell must run, too.
    subprocess.run([sys.executable, "-W", "error", "database_types.py"], cwd=tmp_path, check=True)
