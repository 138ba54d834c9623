"""Images pushed to a real registry: a tag stays what it is, and main-latest never goes back."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

GAVAN = str(Path(sys.executable).with_name("gavan"))
pytestmark = pytest.mark.usefixtures("docker_engine")


def git(root: Path, *words: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    return subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True,
                          text=True).stdout.strip()  # fmt: skip


def commit(root: Path, text: str) -> str:
    """Commit another migration; return the tag of images made of it."""
    folder = root / "supabase" / "migrations"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "001_a.sql").write_text(f"select '{text}';\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", text)
    return "sha-" + git(root, "rev-parse", "HEAD")[:7]


def gavan(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GAVAN, "--json", *words], cwd=root, check=False, capture_output=True,
                          text=True)  # fmt: skip


def pushed(root: Path) -> dict[str, str]:
    """Build and push; return the digests in the registry by reference."""
    assert gavan(root, "build").returncode == 0
    done = gavan(root, "push")
    assert done.returncode == 0, done.stderr + done.stdout
    images = json.loads(done.stdout)["data"]["images"]
    return {one["reference"]: one["digest"] for one in images}


@pytest.fixture(scope="module")
def folder(image_registry: str) -> str:
    """A folder of the registry for this run alone; the image of gavan is sent there once."""
    return f"{image_registry}/{uuid.uuid4().hex[:8]}"


@pytest.fixture
def root(tmp_path: Path, folder: str) -> Path:
    git(tmp_path, "init", "-qb", "main")
    (tmp_path / ".gitignore").write_text(".gavan/\n")
    (tmp_path / "gavan.toml").write_text(
        f'[stack]\nname = "quay"\n[deploy]\nregistry = "{folder}"\n'
    )
    return tmp_path


def test_a_commit_keeps_its_digest_and_main_latest_moves_forward_only(root: Path) -> None:
    assert gavan(root, "push").returncode == 2, "there is no commit yet"
    first = commit(root, "first")
    missing = gavan(root, "push")
    assert (missing.returncode, json.loads(missing.stdout)["error"]["code"]) == (3, "GV523")
    before = pushed(root)
    names = {name.rpartition("/")[2]: digest for name, digest in before.items()}
    assert names[f"quay-stack:{first}"] == names["quay-stack:main-latest"]
    assert all(digest.startswith("sha256:") for digest in names.values())
    assert pushed(root) == before, "a push of the same is no change"

    second = commit(root, "second")
    after = {name.rpartition("/")[2]: digest for name, digest in pushed(root).items()}
    assert after["quay-stack:main-latest"] == after[f"quay-stack:{second}"]
    assert after["quay-stack:main-latest"] != names["quay-stack:main-latest"]

    git(root, "reset", "-q", "--hard", "HEAD~1")
    assert gavan(root, "build").returncode == 0
    late = gavan(root, "push")
    assert (late.returncode, json.loads(late.stdout)["error"]["code"]) == (6, "GV521")
    assert gavan(root, "push", "--tag", first).returncode == 0, "by its tag it may go"


def test_a_pushed_tag_with_other_content_is_refused(root: Path) -> None:
    git(root, "switch", "-qc", "aside")
    tag = commit(root, "aside")
    pushed(root)
    (root / "gavan.toml").write_text((root / "gavan.toml").read_text() + "# other\n")
    assert gavan(root, "build", "--tag", tag).returncode == 0
    done = gavan(root, "push", "--tag", tag)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (6, "GV520")
