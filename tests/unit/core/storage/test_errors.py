"""What strangers are told of a failure, and what is for the logs alone."""

from __future__ import annotations

from gavan.core.storage.errors import provider_error, render
from gavan.kit.storage.provider import ProviderError


def test_the_words_of_an_s3_name_accounts_and_buckets_and_reach_no_client() -> None:
    details = "User: arn:aws:iam::123456789012:user/app may not s3:GetObject on arn:aws:s3:::inner"

    failed = provider_error(ProviderError("AccessDenied", details=details))

    assert bytes(render(failed).body) == (
        b'{"statusCode":"500","error":"AccessDenied","message":"AccessDenied","code":"S3Error"}'
    )
    assert failed.__cause__ is not None
    assert details in str(getattr(failed.__cause__, "details", ""))
