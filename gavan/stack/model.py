"""Frozen types of everything a gavan.toml can say, defaults already applied.

Stands on the first floor: every verb reads these and nothing else of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from gavan.kit.secret import Secret
from gavan.kit.storage.s3_settings import S3Settings

EnvValue = str | Secret
KeyPath = tuple[str | int, ...]
"""Keys from the top of a file, array items by index."""


class EngineName(StrEnum):
    EMBEDDED = "embedded"
    COMPOSE = "compose"
    SWARM = "swarm"
    KUBERNETES = "kubernetes"


class Condition(StrEnum):
    """What a unit waits for in a unit it needs."""

    STARTED = "started"
    HEALTHY = "healthy"
    COMPLETED = "completed"


class AppKind(StrEnum):
    SERVICE = "service"
    WORKER = "worker"
    JOB = "job"


class S3Engine(StrEnum):
    """Which S3 apps are given: the core's door, a server of the stack, a provider's."""

    CORE = "core"
    MINIO = "minio"
    S3 = "s3"


class Broker(StrEnum):
    POSTGRES = "postgres"
    RABBITMQ = "rabbitmq"


class Overlap(StrEnum):
    SKIP = "skip"
    QUEUE = "queue"
    KILL = "kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a text file; line and column count from 1, column in characters."""

    file: Path
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    name: str
    engine: EngineName
    domain: str
    tls: str
    acme_email: str
    http_port: int
    https_port: int
    logs: str
    watch: bool
    protected: bool
    env_files: tuple[str, ...]
    cors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What the engines with containers know of a part; ``memory`` in bytes.

    ``image`` is one that is made elsewhere, ``dockerfile`` a file in the folder of the part.
    """

    memory: int
    cpus: float
    image: str | None = None
    dockerfile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    dir: Path
    lock_timeout: str
    statement_timeout: str
    retries: int
    order: str
    lint: Mapping[str, str]
    """Level of every rule by its code: off, warn or error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """``files`` run once per hash on ``profiles``; ``mock`` only where profile is dev."""

    files: tuple[Path, ...]
    mock: tuple[Path, ...]
    profiles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    version: int
    port: int
    name: str
    settings: Mapping[str, str]
    max_connections: int
    external_url: Secret | None
    container: Container
    migrations: Migrations
    seed: Seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    engine: str
    port: int
    host: str
    services: tuple[str, ...]
    schemas: tuple[str, ...]
    extra_search_path: tuple[str, ...]
    max_rows: int
    site_url: str
    rest: Mapping[str, EnvValue]
    """Options of the data API by PostgREST's names, ``app_settings_*`` among them; only those of
    a file that has the section."""
    auth: Mapping[str, EnvValue]
    """Variables of GoTrue without their prefix; none for a file without the section."""
    storage: Mapping[str, EnvValue]
    """Variables of supabase/storage; none for a file without the section."""
    realtime: Mapping[str, EnvValue]
    """Limits by the names of the stack file; none for a file without the section."""
    container: Container

    @property
    def is_official(self) -> bool:
        """Whether Supabase's own images serve in containers."""
        return self.engine == "supabase"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Bucket:
    """``expire_days`` by prefix."""

    versioning: bool
    expire_days: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """[storage]; ``host``, ``port``, ``command`` and ``container`` are those of minio."""

    engine: S3Engine
    host: str
    port: int
    command: str
    presign_ttl: int
    """Seconds"""
    buckets: Mapping[str, S3Bucket]
    container: Container


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    broker: Broker
    external_url: Secret | None
    container: Container


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """[proxy]; ``max_body`` in bytes, None: no limit. ``acme_ca_root`` is text of PEM."""

    trusted: tuple[str, ...]
    max_body: int | None
    closed: tuple[str, ...]
    acme_ca: str
    acme_ca_root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Exactly one of path, tcp or command; durations in seconds."""

    path: str | None
    tcp: int | None
    command: str | None
    interval_s: float
    timeout_s: float
    start_s: float
    fails: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    host: str
    path: str
    strip: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    name: str
    kind: AppKind
    dir: Path
    command: str
    dev: str | None
    build: str | None
    port: int | None
    workers: int
    routes: tuple[Route, ...]
    health: Health | None
    needs: Mapping[str, Condition]
    env: Mapping[str, EnvValue]
    secrets: tuple[str, ...]
    watch: tuple[str, ...]
    restart: str
    stop_signal: str
    stop_timeout_s: float
    container: Container


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    name: str
    dir: Path
    build: str | None
    output: str
    dev: str | None
    port: int
    route: Route | None
    spa: bool
    headers: Mapping[str, str]
    immutable: tuple[str, ...]
    env_prefix: str
    env: Mapping[str, str]
    container: Container


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """One recurring rule; exactly one of sql, command, http."""

    name: str
    schedule: str
    tz: str
    sql: str | None
    command: str | None
    http: str | None
    timeout_s: float
    overlap: Overlap
    retries: int
    catch_up: bool
    profiles: tuple[str, ...]


class Encryption(StrEnum):
    NONE = "none"
    AGE = "age"
    GPG = "gpg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How many backups stay, by rule; ``min`` good ones always."""

    daily: int
    weekly: int
    monthly: int
    min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Encrypt:
    """``recipients``: public keys or fingerprints as written; files from the root of the stack."""

    method: Encryption
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offsite:
    """A second place for backups; ``prefix`` has no slash at its ends."""

    s3: S3Settings = field(repr=False)
    prefix: str
    storage_class: str
    rate_limit: int | None
    """Bytes per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pitr:
    """``schedule`` of the bases; None: by hand only."""

    enabled: bool
    window_s: float
    schedule: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """``schedule`` None: by hand only. ``sql``: each statement must answer true."""

    schedule: str | None
    sql: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """[backup]; ``schedule`` None: by hand only, as without the section."""

    dir: Path
    schedule: str | None
    objects: bool
    max_age_s: float
    keep: Keep
    encrypt: Encrypt
    offsite: Offsite | None
    pitr: Pitr
    drill: Drill


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployHost:
    """A server; ``host_key`` and ``jump`` are empty when the user's own SSH settings say them."""

    name: str
    address: str
    user: str
    port: int
    path: str
    host_key: str
    jump: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoke:
    """A question to a release: exactly one of url, tcp (``host:port``), sql, command."""

    name: str
    url: str | None
    tcp: str | None
    sql: str | None
    command: str | None
    status: int
    """0: any from 200 to 399"""
    contains: str
    within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy:
    """``registry`` without the name of an image, empty when images go straight to the host."""

    registry: str
    memory: int
    build_args: Mapping[str, str]
    overlap: bool
    retain: int
    health_timeout: float
    """Seconds, as ``drain``"""
    drain: float
    smoke: tuple[Smoke, ...]
    hooks: Mapping[str, str]
    """Commands by the name of the hook, empty for none"""
    hosts: tuple[DeployHost, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """[notify.<name>]; ``events`` may be families, ``quiet_hours`` is empty or ``22:00-06:00``."""

    name: str
    type: str
    target: Secret
    events: tuple[str, ...]
    quiet_hours: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ci:
    """[ci]; empty ``gates`` and ``workflows``: all that the stack has something for."""

    provider: tuple[str, ...]
    install: str
    python: str
    node: str
    pnpm: str
    runner: str
    branch: str
    gates: tuple[str, ...]
    workflows: tuple[str, ...]
    checks: Mapping[str, str]
    """Commands by name"""
    env: Mapping[str, str]
    ssh_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Everything one gavan.toml describes for one profile."""

    name: str
    file: Path
    root: Path
    profile: Profile
    database: Database
    core: Core
    storage: Storage
    queue: Queue
    proxy: Proxy
    apps: tuple[App, ...]
    sites: tuple[Site, ...]
    cron: tuple[Cron, ...]
    backup: Backup
    deploy: Deploy
    notify: tuple[Channel, ...]
    ci: Ci
    env: Mapping[str, EnvValue] = field(repr=False)
    """Variables of the winning layer by name: .env files, above them the process environment,
    above it --set."""
    positions: Mapping[KeyPath, Position] = field(default_factory=dict, repr=False, compare=False)
    """Where each value of the file is written; what is not in the file has no entry."""

    @property
    def state_dir(self) -> Path:
        """The `.gavan/` folder beside the stack file: data, logs, run, keys."""
        return self.root / ".gavan"
