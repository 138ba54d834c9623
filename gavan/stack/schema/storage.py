"""The section [core.storage]: the names are those of [storage] in the supabase CLI's config.toml.

Stands beside sections.py; gavan/stack/storage.py turns what is written here into the variables of
supabase/storage.
"""

from __future__ import annotations

from gavan.stack.schema.key import Key, Kind, Section

MEBIBYTE = 1024 * 1024
S3_VARIABLES = {
    "endpoint": "S3_ENDPOINT",
    "region": "S3_REGION",
    "bucket": "S3_BUCKET_ARTIFACTS",
    "access_key_id": "S3_ACCESS_KEY_ID",
    "secret_access_key": "S3_SECRET_ACCESS_KEY",
    "force_path_style": "S3_FORCE_PATH_STYLE",
    "presign_ttl_seconds": "S3_PRESIGN_TTL_SECONDS",
}
"""Where a key of [core.storage.s3] comes from when it is not written"""
BUCKET_NAME = r"(?! )(?!.*(?: |--table-s3)$)[A-Za-z0-9_!.*'() &$@=;:+,?-]{1,100}"
_WORD = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*"
_MIME = rf"\*/\*|{_WORD}/(\*|{_WORD})"
_SEGMENT = r"(?!\.{1,2}(/|$))[A-Za-z0-9_!.*'() &$@=;:+,?-]"
_PREFIX = rf"{_SEGMENT}([A-Za-z0-9_!.*'() &$@=;:+,?-]|/(?!\.{{1,2}}(/|$)))*"


def _from(name: str, kind: Kind, meaning: str, example: str, *, is_secret: bool = False) -> Key:
    meaning = f"{meaning} Default: the variable {S3_VARIABLES[name]}."
    return Key(name=name, kind=kind, meaning=meaning, example=example,
               never_written=is_secret)  # fmt: skip


S3 = Section(
    path=("core", "storage", "s3"),
    meaning="The S3 that holds the bytes with provider = \"s3\": MinIO, Amazon's, any other.",
    keys=(
        _from("endpoint", Kind.TEXT, "URL of the server; none: Amazon's own.",
              '"http://127.0.0.1:9000"'),
        _from("region", Kind.TEXT, "Region; none: us-east-1.", '"us-east-1"'),
        _from("bucket", Kind.TEXT, "The one bucket there that holds all of ours.",
              '"botmox-artifacts"'),
        _from("access_key_id", Kind.TEXT, "Access key.", '"minio"'),
        _from("secret_access_key", Kind.SECRET, "Its secret.", '"secret://S3_SECRET_ACCESS_KEY"',
              is_secret=True),
        _from("force_path_style", Kind.BOOLEAN,
              "Bucket in the path and not in the host; none: true.", "true"),
        _from("presign_ttl_seconds", Kind.INTEGER,
              "Seconds that a presigned URL of the S3 itself lives; none: 900.", "900"),
    ),
)  # fmt: skip

BUCKET = Section(
    path=("core", "storage", "buckets", "*"),
    example="artifacts",
    meaning="A bucket that exists whenever the stack runs.",
    keys=(
        Key(name="public", kind=Kind.BOOLEAN, default=False,
            meaning="Whoever has the address of an object may read it."),
        Key(name="file_size_limit", kind=Kind.SIZE, example='"5MiB"',
            meaning="Most bytes of one object; default: the limit of the stack."),
        Key(name="allowed_mime_types", kind=Kind.TEXTS, example='["image/*", "application/pdf"]',
            pattern=_MIME, meaning="Declared types that are taken; default: any."),
        Key(name="objects_path", kind=Kind.TEXT, example='"supabase/assets"',
            meaning="File or folder of objects that are there from the start, on the profiles of "
            "[database.seed]; what differs is replaced by up, dev, seed and db reset."),
        Key(name="allow_prefixes", kind=Kind.TEXTS, default=(), pattern=_PREFIX,
            example='["artifacts/", "installers/"]',
            meaning="What names of new objects begin with; empty: anything."),
    ),
)  # fmt: skip

IMAGES = Section(
    path=("core", "storage", "image_transformation"),
    meaning="Images in other sizes and formats, under /render/image.",
    keys=(Key(name="enabled", kind=Kind.BOOLEAN, default=True, meaning="Offer them."),),
)

S3_PROTOCOL = Section(
    path=("core", "storage", "s3_protocol"),
    meaning="The door for S3 clients, /storage/v1/s3; its keys: gavan status -o env.",
    keys=(Key(name="enabled", kind=Kind.BOOLEAN, default=True, meaning="Open it."),),
)

WEBHOOK = Section(
    path=("core", "storage", "webhook"),
    meaning="Who is told of every object that comes to be, moves or goes.",
    keys=(
        Key(name="url", kind=Kind.SECRET, required=True, example='"https://example.com/objects"',
            meaning="Address that events are posted to; empty: none."),
        Key(name="api_key", kind=Kind.SECRET, never_written=True,
            example='"secret://WEBHOOK_API_KEY"', meaning="Sent along as a bearer."),
    ),
)  # fmt: skip

CORE_STORAGE = Section(
    path=("core", "storage"),
    meaning="Buckets and objects. supabase/config.toml lies under it: what is not written here is "
    "taken from its [storage].",
    keys=(
        Key(name="file_size_limit", kind=Kind.SIZE, default="50MiB", example='"50MiB"',
            meaning="Most bytes of one object; KB, MB and GB count by 1024, as KiB does."),
        Key(name="provider", kind=Kind.CHOICE, default="files", choices=("files", "s3"),
            meaning="Where the bytes are: in .gavan/storage, or in an S3."),
        Key(name="signed_upload_url_expiry", kind=Kind.INTEGER, default=7200, at_least=1,
            meaning="Seconds that a signed upload URL lives."),
        Key(name="s3", kind=Kind.SECTION, section=S3, meaning=S3.meaning,
            example='{ endpoint = "http://127.0.0.1:9000" }'),
        Key(name="image_transformation", kind=Kind.SECTION, section=IMAGES,
            meaning=IMAGES.meaning, example="{ enabled = true }"),
        Key(name="s3_protocol", kind=Kind.SECTION, section=S3_PROTOCOL,
            meaning=S3_PROTOCOL.meaning, example="{ enabled = true }"),
        Key(name="webhook", kind=Kind.SECTION, section=WEBHOOK, meaning=WEBHOOK.meaning,
            example='{ url = "https://example.com/objects" }'),
        Key(name="buckets", kind=Kind.TABLES, section=BUCKET, default={}, pattern=BUCKET_NAME,
            example="{ avatars = { public = true } }",
            meaning="Buckets by name; made at the start, changed when they are changed here."),
    ),
)  # fmt: skip
