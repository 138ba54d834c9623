"""The section [ci]: what the files of GitHub Actions and GitLab CI are made from.

Stands beside sections.py. Most of them follows from the other sections and from the folders of
apps and sites; here is what nothing else tells.
"""

from __future__ import annotations

from gavan.stack.schema.key import Key, Kind, Section

PROVIDERS = ("github", "gitlab")
GATES = ("env", "lint", "types", "unit", "build", "migrations", "smoke", "e2e", "checks")
WORKFLOWS = (
    "ci", "images", "deploy-prod", "rollback-prod", "db-migrate", "web-ci", "tauri-ci",
    "backup-check", "metrics-refresh",
)  # fmt: skip

CI = Section(
    path=("ci",),
    meaning="Files of continuous integration, written by gavan ci generate.",
    keys=(
        Key(name="provider", kind=Kind.TEXTS, default=("github",), choices=PROVIDERS,
            example='["github", "gitlab"]', meaning="Whose files are written."),
        Key(name="install", kind=Kind.TEXT, default="pip install gavan",
            example='"pip install -r requirements-ci.txt"',
            meaning="Command that installs gavan, run in the folder of the stack file."),
        Key(name="python", kind=Kind.TEXT, default="3.12", pattern=r"3\.\d{1,2}",
            example='"3.13"', meaning="Python of the jobs."),
        Key(name="node", kind=Kind.TEXT, default="20", pattern=r"\d{1,2}(\.\d+){0,2}",
            example='"22"', meaning="Node of the jobs."),
        Key(name="pnpm", kind=Kind.TEXT, default="9", pattern=r"\d{1,2}(\.\d+){0,2}",
            example='"10"', meaning="pnpm, where its lock file is."),
        Key(name="runner", kind=Kind.TEXT, default="ubuntu-24.04", pattern=r"[A-Za-z0-9._-]+",
            meaning="Runner of GitHub."),
        Key(name="branch", kind=Kind.TEXT, default="main", pattern=r"[A-Za-z0-9][A-Za-z0-9._/-]*",
            meaning="Branch that images are made and released from."),
        Key(name="gates", kind=Kind.TEXTS, default=(), choices=GATES,
            example='["env", "lint", "unit", "migrations", "smoke"]',
            meaning="What must pass; empty: all that the stack has something for."),
        Key(name="workflows", kind=Kind.TEXTS, default=(), choices=WORKFLOWS,
            example='["ci", "images", "deploy-prod", "rollback-prod"]',
            meaning="Which ones are written; empty: all that the stack has something for."),
        Key(name="checks", kind=Kind.SETTINGS, default={},
            example='{ licences = "make licences" }',
            meaning="Commands of your own, run in the folder of the stack file as a gate."),
        Key(name="env", kind=Kind.SETTINGS, default={}, example='{ VPS_HOST = "ci.invalid" }',
            meaning="Variables of the gates, for what the stack file requires; never secret."),
        Key(name="ssh_key", kind=Kind.TEXT, default="VPS_SSH_KEY", pattern=r"[A-Z][A-Z0-9_]*",
            example='"SSH_PRIVATE_KEY"',
            meaning="Name of the secret with the private key for the server."),
    ),
)  # fmt: skip
