"""Identity providers on loopback ports: a certified OpenID Connect one, and one that speaks the
shapes of GitHub's and GitLab's own interfaces.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.packages import node_binary, npm_packages
from tests.ports import free_port

HERE = Path(__file__).parent
SECRET = "the-secret-of-a-test-client/+ and %"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a key and of a certificate for ``localhost`` that is its own authority."""

    key: Path
    certificate: Path


def make_certificate(directory: Path) -> Certificate:
    """Write a certificate that is good for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(directory / "key.pem", directory / "certificate.pem")
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


def installed_node() -> str:
    """Return the node binary, with the packages of package.json installed beside this file."""
    npm_packages(HERE)
    return node_binary()


@contextmanager
def running_oidc(
    accounts: Mapping[str, Any], redirects: list[str], certificate: Certificate
) -> Iterator[str]:
    """Run the OpenID Connect provider over https until the block ends; give its issuer."""
    port = free_port()
    files = [str(certificate.key), str(certificate.certificate)]
    command = [installed_node(), str(HERE / "provider.mjs"), str(port), *files]
    told = {"accounts": accounts, "redirects": redirects, "pkce": False}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout as heard:
        try:
            process.stdin.write(json.dumps(told))
            process.stdin.close()
            assert any(line.strip() == "ready" for line in heard)
            yield f"https://localhost:{port}"
        finally:
            process.kill()
            process.wait()


@dataclass(slots=True)
class Forge:
    """A code forge: who comes is said by ``login``, otherwise it is its ``visitor``.

    What it answers can be changed by a test. It gives codes to whoever asks and takes each once,
    with the client's secret.
    """

    url: str = ""
    visitor: str = ""
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    emails: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def answer(
        self, path: str, fields: dict[str, str], bearer: str
    ) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and document of a request."""
        if path in self.documents:
            return 200, {}, self.documents[path]
        if path in {"/login/oauth/authorize", "/oauth/authorize"}:
            code = f"code-{len(self.codes)}"
            self.codes[code] = fields.get("login", self.visitor)
            query = urlencode({"code": code, "state": fields["state"]})
            return 302, {"Location": f"{fields['redirect_uri']}?{query}"}, None
        if path in {"/login/oauth/access_token", "/oauth/token"}:
            login = self.codes.pop(fields.get("code", ""), None)
            if fields.get("client_secret") != SECRET or login is None:
                # GitHub tells of it with a good status.
                status = 200 if path.startswith("/login") else 400
                return status, {}, {"error": "bad_verification_code"}
            return 200, {}, {"access_token": f"token-of-{login}", "token_type": "bearer"}
        login = bearer.removeprefix("token-of-")
        if login not in self.users:
            return 401, {}, {"message": "Bad credentials"}
        if path.endswith("/user/emails"):
            return 200, {}, self.emails[login]
        return 200, {}, self.users[login]


@contextmanager
def running_forge() -> Iterator[Forge]:
    """Run a forge until the block ends."""
    forge = Forge()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._reply(parts.path, parts.query)

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            self._reply(urlsplit(self.path).path, self.rfile.read(size).decode())

        def _reply(self, path: str, form: str) -> None:
            fields = {name: values[0] for name, values in parse_qs(form).items()}
            forge.asked.append((path, fields))
            bearer = (self.headers["Authorization"] or "").removeprefix("Bearer ")
            status, headers, document = forge.answer(path, fields, bearer)
            content = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    forge.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
