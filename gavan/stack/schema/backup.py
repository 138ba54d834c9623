"""[backup]: where backups go, how long they stay, who can read them; declared once."""

from __future__ import annotations

from gavan.stack.schema.key import Key, Kind, Section

KEEP = Section(
    path=("backup", "keep"),
    meaning="How many backups stay; what none of these rules wants is pruned.",
    keys=(
        Key(name="daily", kind=Kind.INTEGER, default=7,
            meaning="The newest of so many days that have a good one (UTC)."),
        Key(name="weekly", kind=Kind.INTEGER, default=4,
            meaning="The newest of so many weeks; a week ends on Sunday."),
        Key(name="monthly", kind=Kind.INTEGER, default=6, meaning="The newest of so many months."),
        Key(name="min", kind=Kind.INTEGER, default=2, at_least=1,
            meaning="So many good ones stay, however old they are."),
    ),
)  # fmt: skip

ENCRYPT = Section(
    path=("backup", "encrypt"),
    meaning="Who can read the backups. Only public keys are here: the host cannot read its own.",
    keys=(
        Key(name="method", kind=Kind.CHOICE, default="none", choices=("none", "age", "gpg"),
            example='"age"', meaning="How files are encrypted before they are written."),
        Key(name="recipients", kind=Kind.TEXTS, default=(),
            example='["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudl09wcqskj4m7"]',
            meaning="age: public keys (age1..., ssh-...). gpg: fingerprints of 40 digits, or files "
            "with a public key."),
    ),
)  # fmt: skip

OFFSITE = Section(
    path=("backup", "offsite"),
    meaning="A second place, in any S3; what arrives there is read back before it counts.",
    keys=(
        Key(name="endpoint", kind=Kind.TEXT, default="", example='"https://s3.example.com"',
            meaning="URL of the server; empty: Amazon's own."),
        Key(name="bucket", kind=Kind.TEXT, required=True, example='"crm-backups"',
            meaning="Bucket; it must exist."),
        Key(name="prefix", kind=Kind.TEXT, default="", example='"crm"',
            pattern=r"([A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*)?",
            meaning="Where in the bucket."),
        Key(name="region", kind=Kind.TEXT, default="us-east-1", meaning="Region."),
        Key(name="key_id", kind=Kind.SECRET, required=True, example='"secret://BACKUP_KEY_ID"',
            meaning="Access key."),
        Key(name="secret", kind=Kind.SECRET, required=True, never_written=True,
            example='"secret://BACKUP_SECRET"', meaning="Its secret."),
        Key(name="storage_class", kind=Kind.TEXT, default="", example='"STANDARD_IA"',
            meaning="Storage class; empty: the bucket's own."),
        Key(name="force_path_style", kind=Kind.BOOLEAN, default=True,
            meaning="Bucket in the path and not in the host."),
    ),
)  # fmt: skip

PITR = Section(
    path=("backup", "pitr"),
    meaning="Point-in-time recovery: physical base backups and every change since.",
    keys=(
        Key(
            name="enabled",
            kind=Kind.BOOLEAN,
            default=False,
            meaning="Keep what is needed to go back to any moment.",
        ),
        Key(name="window", kind=Kind.DURATION, default="7d", meaning="How far back."),
        Key(
            name="schedule",
            kind=Kind.CRON,
            default="30 2 * * 0",
            meaning="When a base is made, in UTC; the log before the oldest that is kept goes.",
        ),
    ),
)

DRILL = Section(
    path=("backup", "drill"),
    meaning="The rehearsal: a backup is restored beside the stack, and looked at.",
    keys=(
        Key(name="schedule", kind=Kind.CRON, default="30 4 * * 0",
            meaning="When. Where backups are encrypted only if it is written: a private key must "
            "be there."),
        Key(name="sql", kind=Kind.TEXTS, default=(),
            example='["select count(*) > 0 from public.card"]',
            meaning="Questions to the restored database; each must answer true."),
    ),
)  # fmt: skip

BACKUP = Section(
    path=("backup",),
    meaning="Backups of database and objects. Without this section they are made by hand.",
    keys=(
        Key(name="dir", kind=Kind.TEXT, default="backups", example='"backups"',
            meaning="Folder, from the root of the stack; may be on another disk."),
        Key(name="schedule", kind=Kind.CRON, default="30 3 * * *", meaning="When, in UTC."),
        Key(name="objects", kind=Kind.BOOLEAN, default=True,
            meaning="Also the objects of the storage."),
        Key(name="max_age", kind=Kind.DURATION, default="26h",
            meaning="When the newest good one is older, `gavan status` says so."),
        Key(name="rate_limit", kind=Kind.SIZE, example='"20MiB"',
            meaning="Bytes per second to the second place at most; default: no limit."),
        Key(name="keep", kind=Kind.SECTION, default={}, section=KEEP, example="{ daily = 14 }",
            meaning=KEEP.meaning),
        Key(name="encrypt", kind=Kind.SECTION, default={}, section=ENCRYPT,
            example='{ method = "age", recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zm'
            'rj2kudl09wcqskj4m7"] }', meaning=ENCRYPT.meaning),
        Key(name="offsite", kind=Kind.SECTION, section=OFFSITE, meaning=OFFSITE.meaning,
            example='{ bucket = "crm-backups", key_id = "k", secret = "secret://BACKUP_SECRET" }'),
        Key(name="pitr", kind=Kind.SECTION, default={}, section=PITR, example="{ enabled = true }",
            meaning=PITR.meaning),
        Key(name="drill", kind=Kind.SECTION, default={}, section=DRILL,
            example='{ schedule = "30 4 * * 0" }', meaning=DRILL.meaning),
    ),
)  # fmt: skip
