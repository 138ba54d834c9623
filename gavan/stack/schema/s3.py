"""The section [storage]: the S3 that apps are given, apart from the storage that the core speaks.

Stands beside sections.py.
"""

from __future__ import annotations

from gavan.stack.schema.container import limit_keys
from gavan.stack.schema.key import Key, Kind, Section

NAME = r"(?!.*(\.\.|--x-s3$))[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
"""What every S3 takes as the name of a bucket"""

BUCKET = Section(
    path=("storage", "buckets", "*"),
    example="artifacts",
    meaning="A private bucket that exists whenever the stack runs.",
    keys=(
        Key(name="versioning", kind=Kind.BOOLEAN, default=False,
            meaning="Keep what is replaced or removed, where the server can: the core cannot."),
        Key(name="expire_days", kind=Kind.SETTINGS, default={}, example='{ "tmp/" = 7 }',
            meaning="Days after which objects below a prefix go, where the server can: the core "
            "cannot."),
    ),
)  # fmt: skip

STORAGE = Section(
    path=("storage",),
    meaning="The S3 whose S3_* variables apps are given. Where the core keeps its own objects is "
    "[core.storage].",
    keys=(
        Key(name="engine", kind=Kind.CHOICE, default="core", choices=("core", "minio", "s3"),
            meaning="core: the S3 door of the core. minio: a server of the stack in containers; "
            "on a laptop without them the core stands in for it. s3: a provider's, named by "
            "S3_ENDPOINT, S3_REGION, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY; its buckets are "
            "yours to make."),
        Key(name="host", kind=Kind.TEXT, default="s3", pattern=r"[a-z0-9-]+(\.[a-z0-9-]+)*",
            meaning="Name below the profile's domain that leads to the server of minio."),
        Key(name="image", kind=Kind.TEXT,
            default="quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z",
            meaning="Its image; any server of S3 that takes MINIO_ROOT_USER and "
            "MINIO_ROOT_PASSWORD as its keys and keeps its data in /data."),
        Key(name="command", kind=Kind.TEXT, default="server /data",
            meaning="Words that its image is started with; empty: the image's own."),
        Key(name="port", kind=Kind.PORT, default=9000, meaning="Port in its container."),
        Key(name="presign_ttl", kind=Kind.INTEGER, default=900, at_least=1,
            meaning="Seconds that a presigned URL lives; apps get it as S3_PRESIGN_TTL_SECONDS."),
        Key(name="buckets", kind=Kind.TABLES, section=BUCKET, default={}, pattern=NAME,
            example='{ artifacts = { versioning = true, expire_days = { "tmp/" = 7 } } }',
            meaning="Buckets by name, made before the apps start."),
        *limit_keys(memory="384MiB", cpus="0.5"),
    ),
)  # fmt: skip
