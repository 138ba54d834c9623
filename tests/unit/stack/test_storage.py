"""[core.storage] and what lies under it in supabase/config.toml become the core's variables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gavan.cli.storage.declared import declared_objects
from gavan.core.storage.config import DeclaredBucket, StorageConfig, WebhookConfig, read_config
from gavan.core.storage.errors import StorageError
from gavan.core.storage.rules import check_bucket_name
from gavan.engines.embedded.environment import reveal
from gavan.kit.secret import Secret
from gavan.stack.findings import StackErrors, render
from gavan.stack.load import Loaded
from gavan.stack.schema.key import Key, Kind
from gavan.stack.schema.storage import S3_VARIABLES
from gavan.stack.values import Bad, read_size
from tests.unit.stack.conftest import LoadFactory

MINIO = {
    "S3_ENDPOINT": "http://127.0.0.1:9000",
    "S3_REGION": "eu-west-1",
    "S3_BUCKET_ARTIFACTS": "botmox-artifacts",
    "S3_ACCESS_KEY_ID": "minio",
    "S3_SECRET_ACCESS_KEY": "hush",
    "S3_FORCE_PATH_STYLE": "false",
    "S3_PRESIGN_TTL_SECONDS": "900",
}


def config_of(loaded: Loaded) -> StorageConfig:
    """Read the variables of a stack without a finding as the core does."""
    assert loaded.findings == (), render(loaded.findings)
    environ = {"FILE_STORAGE_BACKEND_PATH": "/x", **reveal(loaded.stack.core.storage)}
    return read_config(environ)


def codes(loaded: Loaded) -> list[str]:
    return [finding.code for finding in loaded.findings]


def test_a_stack_without_the_section_says_nothing(load_factory: LoadFactory) -> None:
    assert load_factory().stack.core.storage == {}


def test_the_defaults_of_the_section_are_those_of_the_core(load_factory: LoadFactory) -> None:
    nothing_said = read_config({"FILE_STORAGE_BACKEND_PATH": "/x"})
    assert config_of(load_factory("[core.storage]\n")) == nothing_said


def test_a_bucket_is_declared_with_everything_it_says(load_factory: LoadFactory) -> None:
    config = config_of(
        load_factory(
            """
[core.storage]
file_size_limit = "1GiB"
[core.storage.image_transformation]
enabled = false
[core.storage.s3_protocol]
enabled = false
[core.storage.buckets.avatars]
public = true
[core.storage.buckets."card files"]
file_size_limit = 5000000
allowed_mime_types = ["image/*", "application/vnd.api+json"]
allow_prefixes = ["artifacts/", "installers/"]
"""
        )
    )
    assert (config.size_limit, config.renders_images, config.speaks_s3) == (2**30, False, False)
    assert config.buckets == (
        DeclaredBucket(id="avatars", is_public=True),
        DeclaredBucket(
            id="card files",
            file_size_limit=5_000_000,
            allowed_mime_types=("image/*", "application/vnd.api+json"),
            allow_prefixes=("artifacts/", "installers/"),
        ),
    )
    assert config.prefixes("card files") == ("artifacts/", "installers/")


def test_an_s3_is_described_by_the_variables_alone(load_factory: LoadFactory) -> None:
    loaded = load_factory('[core.storage]\nprovider = "s3"\n', environ=MINIO)
    assert "hush" not in str(loaded.stack.core.storage)
    config = config_of(loaded)
    assert config.s3 is not None
    assert (config.s3.endpoint, config.s3.region) == ("http://127.0.0.1:9000", "eu-west-1")
    assert (config.s3.bucket, config.s3.access_key_id) == ("botmox-artifacts", "minio")
    assert config.s3.secret_access_key == Secret("hush")
    assert config.s3.is_path_style is False
    assert (config.folder, config.s3.presign_s, config.upload_url_s) == (None, 900, 7200)


def test_what_is_written_of_an_s3_wins_over_its_variables(load_factory: LoadFactory) -> None:
    config = config_of(
        load_factory(
            '[core.storage]\nprovider = "s3"\nsigned_upload_url_expiry = 60\n'
            '[core.storage.s3]\nbucket = "mine"\npresign_ttl_seconds = 5\nforce_path_style = true\n'
            'secret_access_key = "secret://OTHER_SECRET"\n',
            environ={**MINIO, "OTHER_SECRET": "other"},
        )
    )
    assert config.s3 is not None
    assert (config.s3.bucket, config.s3.is_path_style) == ("mine", True)
    assert config.s3.secret_access_key == Secret("other")
    assert (config.s3.access_key_id, config.s3.presign_s) == ("minio", 5)
    assert config.upload_url_s == 60


def test_the_variables_of_an_s3_that_is_not_used_stay_outside(load_factory: LoadFactory) -> None:
    said = load_factory("[core.storage]\n", environ=MINIO).stack.core.storage
    assert not set(said) & set(S3_VARIABLES.values())


def test_an_s3_without_its_variables_is_told_by_their_names(load_factory: LoadFactory) -> None:
    loaded = load_factory('[core.storage]\nprovider = "s3"\n', environ={"S3_ENDPOINT": "http://x"})
    told = render(loaded.findings)
    assert codes(loaded) == ["GV103"] * 3
    for name in ("S3_BUCKET_ARTIFACTS", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"):
        assert f"{name} is not set" in told
    assert "gavan.toml:4:12" in told


@pytest.mark.parametrize("name", ["S3_ENDPOINT", "S3_FORCE_PATH_STYLE", "S3_PRESIGN_TTL_SECONDS"])
def test_a_variable_that_says_nothing_usable_is_named(name: str, load_factory: LoadFactory) -> None:
    environ = {**MINIO, name: "maybe"}
    loaded = load_factory('[core.storage]\nprovider = "s3"\n', environ=environ)
    assert codes(loaded) == ["GV102"]
    assert name in loaded.findings[0].message


def test_a_webhook_is_told_with_its_key_and_neither_is_shown(load_factory: LoadFactory) -> None:
    loaded = load_factory(
        '[core.storage.webhook]\nurl = "http://10.0.0.7/objects?token=in-the-address"\n'
        'api_key = "secret://HOOK_KEY"\n',
        environ={"HOOK_KEY": "hush"},
    )
    config = config_of(loaded)
    assert config.webhook == WebhookConfig(
        url=Secret("http://10.0.0.7/objects?token=in-the-address"), api_key=Secret("hush")
    )
    for shown in (str(loaded.stack.core.storage), repr(config)):
        assert "hush" not in shown
        assert "in-the-address" not in shown


def test_a_webhook_whose_address_nobody_set_is_none(load_factory: LoadFactory) -> None:
    loaded = load_factory('[core.storage.webhook]\nurl = "${OBJECTS_URL:-}"\n')
    assert config_of(loaded).webhook is None


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('url = "ftp://example.com"', "GV102"),
        ('url = "https://"', "GV102"),
        ('url = "http://example.com:port/"', "GV102"),
        ('api_key = "written here"\nurl = "http://x"', "GV151"),
        ('api_key = "secret://HOOK_KEY"', "GV103"),
    ],
)
def test_a_mistake_in_a_webhook_is_found(line: str, code: str, load_factory: LoadFactory) -> None:
    loaded = load_factory(f"[core.storage.webhook]\n{line}\n", environ={"HOOK_KEY": "hush"})
    assert codes(loaded) == [code], render(loaded.findings)
    assert "hush" not in render(loaded.findings)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('file_size_limit = "51MiB"', "GV158"),
        ('file_size_limit = "5 apples"', "GV105"),
        ("file_size_limit = true", "GV102"),
        ("file_size_limit = 0", "GV105"),
        ('allowed_mime_types = ["image"]', "GV102"),
        ('allowed_mime_types = ["image/png; charset=x"]', "GV102"),
        ('allowed_mime_types = ["iamge/png"]', "GV159"),
        ('allow_prefixes = ["/artifacts/"]', "GV102"),
        ('allow_prefixes = ["a/../b/"]', "GV102"),
        ('allow_prefixes = ["äpfel/"]', "GV102"),
        ('allow_prefixes = [""]', "GV102"),
        ("publick = true", "GV101"),
    ],
)
def test_a_mistake_in_a_bucket_is_found(line: str, code: str, load_factory: LoadFactory) -> None:
    loaded = load_factory(f"[core.storage.buckets.images]\n{line}\n")
    assert codes(loaded) == [code], render(loaded.findings)
    assert loaded.findings[0].position.line == 4


@pytest.mark.parametrize(
    "name", ["a/b", " a", "a ", "x--table-s3", "", "ä", "a" * 101, "ok", "a b"]
)
def test_names_of_buckets_are_judged_as_the_service_judges_them(
    name: str, load_factory: LoadFactory
) -> None:
    try:
        check_bucket_name(name)
        expected = []
    except StorageError:
        expected = ["GV104"]
    loaded = load_factory(f"[core.storage.buckets.{json.dumps(name)}]\n")
    assert codes(loaded) == expected


def test_a_bucket_written_twice_is_refused(load_factory: LoadFactory) -> None:
    with pytest.raises(StackErrors) as caught:
        load_factory("[core.storage.buckets.a]\n[core.storage.buckets.a]\n")
    assert caught.value.code == "GV108"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("5MB", 5 * 2**20),
        ("5MiB", 5 * 2**20),
        ("5 mb", 5 * 2**20),
        ("1.5k", 1536),
        ("2g", 2**31),
        ("1TiB", 2**40),
        ("7b", 7),
        ("5000000", 5_000_000),
    ],
)
def test_sizes_count_as_in_the_supabase_cli(text: str, size: int) -> None:
    assert read_size(Key(name="x", kind=Kind.SIZE, meaning=""), text) == size


@pytest.mark.parametrize("text", ["", "MB", "-5MB", "5 XB", "5ibb", "1" * 30, "0", "٣MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(Bad):
        read_size(Key(name="x", kind=Kind.SIZE, meaning=""), text)


# As `supabase init` leaves it, with a bucket: tables that Gavan has no use for among it.
CONFIG = """
project_id = "test"
[storage]
enabled = true
file_size_limit = "5MB"
[storage.buckets.images]
public = true
file_size_limit = "1MiB"
allowed_mime_types = ["image/png"]
objects_path = "./images"
[storage.s3_protocol]
enabled = false
[storage.analytics]
enabled = false
max_namespaces = 5
[storage.vector]
enabled = false
"""


def write_config(folder: Path, text: str = CONFIG) -> None:
    (folder / "supabase").mkdir()
    (folder / "supabase" / "config.toml").write_text(text)


def test_the_file_of_the_supabase_cli_lies_under_the_section(
    load_factory: LoadFactory, tmp_path: Path
) -> None:
    write_config(tmp_path)
    config = config_of(
        load_factory("[core.storage.buckets.images]\npublic = false\n[core.storage.buckets.mine]\n")
    )
    assert (config.size_limit, config.speaks_s3) == (5 * 2**20, False)
    stack = load_factory("[core.storage.buckets.mine]\nobjects_path = 'seeds'\n").stack
    found = {name: path.relative_to(tmp_path) for name, path in declared_objects(stack).items()}
    assert found == {"images": Path("supabase/images"), "mine": Path("seeds")}
    assert {bucket.id: bucket for bucket in config.buckets} == {
        "images": DeclaredBucket(
            id="images", file_size_limit=2**20, allowed_mime_types=("image/png",)
        ),
        "mine": DeclaredBucket(id="mine"),
    }


def test_storage_switched_off_there_is_no_service(
    load_factory: LoadFactory, tmp_path: Path
) -> None:
    write_config(tmp_path, '[storage]\nenabled = false\nfile_size_limit = "5MB"\n')
    assert load_factory().stack.core.services == ("rest", "auth", "realtime")
    assert load_factory().stack.core.storage == {}
    loaded = load_factory('[core]\nservices = ["rest", "storage"]\n')
    assert loaded.stack.core.services == ("rest", "storage")


def test_a_mistake_in_that_file_is_found_there(load_factory: LoadFactory, tmp_path: Path) -> None:
    write_config(tmp_path, '[storage]\nfile_size_limit = "many"\n')
    finding: Any = load_factory().findings[0]
    assert (finding.code, finding.position.file.name) == ("GV105", "config.toml")
