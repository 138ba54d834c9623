"""The section [deploy]: where images go and how a release reaches its hosts.

Stands beside sections.py.
"""

from __future__ import annotations

from gavan.stack.schema.key import Key, Kind, Section

HOST_NAME = r"[a-z][a-z0-9-]{0,30}"
_IMAGE = r"[a-z0-9.-]+(:\d{1,5})?(/[a-z0-9._-]+)*"

HOST = Section(
    path=("deploy", "hosts", "*"),
    example="web",
    meaning="A server that releases are brought to, reached by OpenSSH and the user's own "
    "configuration of it.",
    keys=(
        Key(name="address", kind=Kind.TEXT, required=True, example='"203.0.113.7"',
            pattern=r"[A-Za-z0-9][A-Za-z0-9.:_-]*",
            meaning="Name or address, or a Host of ~/.ssh/config."),
        Key(name="user", kind=Kind.TEXT, default="deploy", pattern=r"[a-z_][a-z0-9_-]{0,31}",
            meaning="Who logs in; needs Docker, and sudo for gavan hosts bootstrap only."),
        Key(name="port", kind=Kind.PORT, default=22, meaning="Port of its SSH server."),
        Key(name="path", kind=Kind.TEXT, default="", pattern=r"(/[A-Za-z0-9._-]+)*",
            example='"/opt/crm"', meaning="Folder of the stack there; default: /opt/<stack>."),
        Key(name="host_key", kind=Kind.TEXT, default="", pattern=r"([a-z0-9@.-]+ [A-Za-z0-9+/=]+)?",
            example='"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvZ"',
            meaning="Its public key, the only one that is taken; default: as ~/.ssh/known_hosts "
            "has it."),
        Key(name="jump", kind=Kind.TEXT, default="", pattern=r"([A-Za-z0-9_][A-Za-z0-9@.:_-]*)?",
            example='"deploy@bastion.example.com"', meaning="Host to go through."),
    ),
)  # fmt: skip

SMOKE = Section(
    path=("deploy", "smoke"),
    meaning="A question to a release that serves, besides those that are always asked; one of url, "
    "tcp, sql, exec.",
    keys=(
        Key(name="name", kind=Kind.SLUG, required=True, example='"search"', meaning="Its name."),
        Key(name="url", kind=Kind.TEXT, example='"https://api.example.com/v1/search?q=a"',
            meaning="GET, from the server and from outside; with wss:// a websocket that opens and "
            "answers a ping."),
        Key(name="tcp", kind=Kind.TEXT, pattern=r"[A-Za-z0-9.:-]+:\d{1,5}",
            meaning='A connection, as in "mqtt.example.com:8883".'),
        Key(name="sql", kind=Kind.TEXT, interpolated=False,
            meaning="Statement whose first value is not false; what it writes is taken back."),
        Key(name="exec", kind=Kind.TEXT,
            meaning="Command of the machine that deploys, in the root of the stack, without a "
            "shell; 0 is well."),
        Key(name="status", kind=Kind.INTEGER, default=0, meaning="Of a url; default: 200 to 399."),
        Key(name="contains", kind=Kind.TEXT, default="", meaning="What the answer has in it."),
        Key(name="within", kind=Kind.DURATION, default="20s",
            meaning="It is asked again and again for so long."),
    ),
)  # fmt: skip

_HOOK = "Command, run in the root of the stack by who deploys, without a shell; "

HOOKS = Section(
    path=("deploy", "hooks"),
    meaning="Commands around a release, run where it is begun.",
    keys=(
        Key(name="pre_build", kind=Kind.TEXT, default="", example='"make licences"',
            meaning=f"{_HOOK}before images are built."),
        Key(name="pre_deploy", kind=Kind.TEXT, default="", example='"./deploy/check-calendar"',
            meaning=f"{_HOOK}before a release is sent; if it fails, nothing happens."),
        Key(name="post_deploy", kind=Kind.TEXT, default="", example='"./deploy/announce"',
            meaning=f"{_HOOK}after a release that serves."),
        Key(name="on_failure", kind=Kind.TEXT, default="", example='"./deploy/page"',
            meaning=f"{_HOOK}after one that does not."),
    ),
)  # fmt: skip

DEPLOY = Section(
    path=("deploy",),
    meaning="Images and releases.",
    keys=(
        Key(name="registry", kind=Kind.TEXT, default="", pattern=f"({_IMAGE})?",
            example='"ghcr.io/acme"',
            meaning="Where images are pushed to, without the name of the image; empty: they stay "
            "on this machine."),
        Key(name="memory", kind=Kind.SIZE, default="3686MiB", example='"3686MiB"',
            meaning="What the server gives to all containers together."),
        Key(name="build_args", kind=Kind.SETTINGS, default={},
            example='{ PYTHON_IMAGE = "python:3.13-slim" }',
            meaning="Arguments of every build, the base images among them: PYTHON_IMAGE, "
            "NODE_IMAGE, CADDY_IMAGE."),
        Key(name="overlap", kind=Kind.BOOLEAN, default=True,
            meaning="A release starts each part beside the one that serves, which needs the memory "
            "of both; false: in its place, and the proxy holds requests for the seconds between."),
        Key(name="retain", kind=Kind.INTEGER, default=5, at_least=1,
            meaning="Releases whose images stay on the server, to roll back to."),
        Key(name="health_timeout", kind=Kind.DURATION, default="2m",
            meaning="How long a new slot may take until it is healthy."),
        Key(name="drain", kind=Kind.DURATION, default="30s",
            meaning="How long an old slot may go on with what it was doing."),
        Key(name="smoke", kind=Kind.SECTIONS, default=(), section=SMOKE,
            example='[{ name = "search", url = "https://api.example.com/search?q=a", status = 200, '
            'contains = "hits", within = "20s" }]',
            meaning="Further questions to a release; a wrong answer takes it back."),
        Key(name="hooks", kind=Kind.SECTION, default={}, section=HOOKS, meaning=HOOKS.meaning,
            example='{ pre_deploy = "./deploy/check-calendar" }'),
        Key(name="hosts", kind=Kind.TABLES, default={}, section=HOST, pattern=HOST_NAME,
            example='{ web = { address = "203.0.113.7", user = "deploy", port = 22, '
            'path = "/opt/crm", host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvZ", '
            'jump = "deploy@bastion.example.com" } }',
            meaning="Servers; each has a whole stack with data of its own. One of several is "
            "chosen by --host."),
    ),
)  # fmt: skip
