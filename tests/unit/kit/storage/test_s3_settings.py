"""The variables S3_*: defaults, and every fault at once."""

from __future__ import annotations

import pytest

from gavan.kit.storage.s3_settings import S3SettingsError, read_s3_environ

NEEDED = {
    "S3_BUCKET_ARTIFACTS": "artifacts",
    "S3_ACCESS_KEY_ID": "key",
    "S3_SECRET_ACCESS_KEY": "a secret that is shown to nobody",
}


def test_three_variables_are_enough() -> None:
    settings = read_s3_environ(NEEDED)
    assert (settings.endpoint, settings.region, settings.bucket) == ("", "us-east-1", "artifacts")
    assert settings.is_path_style
    assert settings.presign_s == 900
    assert NEEDED["S3_SECRET_ACCESS_KEY"] not in repr(settings)
    assert settings.secret_access_key.reveal() == NEEDED["S3_SECRET_ACCESS_KEY"]


def test_every_variable_is_read() -> None:
    settings = read_s3_environ(
        NEEDED
        | {
            "S3_ENDPOINT": "http://minio:9000",
            "S3_REGION": "eu-west-1",
            "S3_FORCE_PATH_STYLE": "False",
            "S3_PRESIGN_TTL_SECONDS": "300",
        }
    )
    assert (settings.endpoint, settings.region) == ("http://minio:9000", "eu-west-1")
    assert not settings.is_path_style
    assert settings.presign_s == 300


def test_all_faults_are_named_at_once_and_no_value_is_shown() -> None:
    with pytest.raises(S3SettingsError) as told:
        read_s3_environ(
            {
                "S3_SECRET_ACCESS_KEY": "hidden",
                "S3_ENDPOINT": "http://user:hidden@minio:9000",
                "S3_FORCE_PATH_STYLE": "perhaps",
                "S3_PRESIGN_TTL_SECONDS": "0",
            }
        )
    assert len(told.value.problems) == 5
    for name in (
        "S3_BUCKET_ARTIFACTS",
        "S3_ACCESS_KEY_ID",
        "S3_ENDPOINT",
        "S3_FORCE_PATH_STYLE",
        "S3_PRESIGN_TTL_SECONDS",
    ):
        assert name in told.value.message
    assert "hidden" not in told.value.message


@pytest.mark.parametrize("endpoint", ["minio:9000", "ftp://minio", "http://", "//minio"])
def test_an_endpoint_is_a_url(endpoint: str) -> None:
    with pytest.raises(S3SettingsError, match="S3_ENDPOINT is no"):
        read_s3_environ(NEEDED | {"S3_ENDPOINT": endpoint})


@pytest.mark.parametrize("seconds", ["604801", "-1", "1.5", "²", "9" * 5000])
def test_a_presigned_url_lives_a_week_at_most(seconds: str) -> None:
    with pytest.raises(S3SettingsError, match="S3_PRESIGN_TTL_SECONDS"):
        read_s3_environ(NEEDED | {"S3_PRESIGN_TTL_SECONDS": seconds})
