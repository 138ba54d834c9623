"""The edge as production has it: certificates by ACME, from an authority that only its owner knows.

The authority is a second Caddy. It asks over HTTP at port 80 whether the names are ours, as Let's
Encrypt does; the names are aliases of the proxy in the network of the stack.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from gavan.deploy.onhost import smoke
from gavan.deploy.onhost.failure import Failure
from gavan.deploy.onhost.smoke import Way
from gavan.engines.compose import document, env_file
from gavan.engines.compose.project import Project
from gavan.engines.compose.services import Plan
from gavan.engines.docker import docker
from gavan.engines.generated import write
from gavan.stack.load import load
from tests.ports import free_port

pytestmark = [pytest.mark.usefixtures("docker_engine"), pytest.mark.timeout(300)]
NAME = "acmebay"
DOMAIN = f"{NAME}.test"
AUTHORITY = f"{NAME}-authority"
HOSTS = (f"api.{DOMAIN}", f"app.{DOMAIN}")
PATIENCE_S = 60
STACK = """
[stack]
name = "{name}"

[profiles.prod]
domain = "{domain}"
acme_email = "ops@{domain}"
http_port = {http}
https_port = {https}

[proxy]
acme_ca = "https://ca.{domain}/acme/local/directory"
acme_ca_root = '''
{root}'''

[sites.web]
dir = "web"
output = "public"
"""
CADDYFILE = """
{{
	admin off
	skip_install_trust
}}
ca.{domain} {{
	tls internal
	acme_server {{
		challenges http-01
	}}
}}
"""
NAMES = """
services:
  proxy:
    networks:
      edge:
        aliases: [{aliases}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The proxy of a stack, and where it answers."""

    project: Project
    https: int
    root: str
    names: Path

    def compose(self, *words: str) -> str:
        return self.project.run("--file", str(self.names), *words)

    def way(self) -> Way:
        return Way("127.0.0.1", True, self.root)

    def question(self, host: str) -> dict[str, object]:
        # Nothing runs behind the proxy here: what answers is the edge itself.
        return {"name": host, "kind": "http", "host": host, "path": "/metrics", "tls": True,
                "port": self.https, "least": 404, "most": 404}  # fmt: skip

    def certificate(self, host: str) -> x509.Certificate:
        """Return what the proxy shows for a host; it must be good for it."""
        raw = socket.create_connection(("127.0.0.1", self.https), 5)
        with raw, self.way().context().wrap_socket(raw, server_hostname=host) as tls:
            shown = tls.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown)


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The proxy by the generated files and an authority beside it; nothing else of the stack."""
    folder = tmp_path_factory.mktemp(NAME)
    authority = folder / "authority"
    authority.mkdir()
    (authority / "Caddyfile").write_text(CADDYFILE.format(domain=DOMAIN))
    docker("run", "--detach", "--name", AUTHORITY, "--volume", f"{authority}:/etc/caddy:ro",
           "caddy:2")  # fmt: skip
    made = None
    try:
        made = _edge(folder)
        # Compose makes the network with the container of the proxy.
        made.compose("create", "--no-build", "proxy")
        network = f"{made.project.name}_edge"
        docker("network", "connect", "--alias", f"ca.{DOMAIN}", network, AUTHORITY)
        made.compose("up", "--detach", "--no-deps", "proxy")
        yield made
    finally:
        docker("rm", "--force", "--volumes", AUTHORITY)
        if made is not None:
            made.compose("down", "--volumes")


def _edge(folder: Path) -> Edge:
    (folder / "web" / "public").mkdir(parents=True)
    https, root = free_port(), _root()
    file = folder / "gavan.toml"
    file.write_text(STACK.format(name=NAME, domain=DOMAIN, root=root, http=free_port(),
                                 https=https))  # fmt: skip
    loaded = load(file, profile="prod", environ={})
    assert not loaded.errors, loaded.errors
    project = Project(plan=Plan(stack=loaded.stack, source=loaded.source))
    write(project.files())
    names = folder / "names.yml"
    names.write_text(NAMES.format(aliases=", ".join(HOSTS)))
    asked = env_file.variables_of(document.render(project.plan))
    unused = dict.fromkeys(asked, "unused") | {"CADDY_IMAGE": "caddy:2"}
    images = {name: value for name, value in unused.items() if env_file.RELEASE.fullmatch(name)
              and not name.endswith(("_DIR", "_NAME"))}  # fmt: skip
    project.write_variables(unused | dict(env_file.place_variables(loaded.stack)), images)
    return Edge(project=project, https=https, root=root, names=names)


def _root() -> str:
    """Return the root of the authority once it has made it."""
    file = "/data/caddy/pki/authorities/local/root.crt"
    until = time.monotonic() + PATIENCE_S
    while True:
        done = subprocess.run(["docker", "exec", AUTHORITY, "cat", file], capture_output=True,
                              text=True, check=False)  # fmt: skip
        if done.returncode == 0 and "-----END" in done.stdout:
            return done.stdout
        assert time.monotonic() < until, done.stderr
        time.sleep(0.1)


def test_the_edge_gets_a_certificate_for_each_of_its_hosts_and_serves_by_it(edge: Edge) -> None:
    for host in HOSTS:
        smoke.check(edge.question(host), PATIENCE_S, edge.way())
        shown = edge.certificate(host)
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [host]
    with pytest.raises(Failure) as caught:
        smoke.check(edge.question(HOSTS[0]), 0.0, Way("127.0.0.1", True))
    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.details


def test_certificates_outlive_the_proxy_and_its_authority(edge: Edge) -> None:
    """Trap 52: what is there already is served, whoever does not answer."""
    before = {host: edge.certificate(host).serial_number for host in HOSTS}
    docker("stop", "--time", "1", AUTHORITY)
    edge.compose("up", "--detach", "--no-deps", "--force-recreate", "proxy")
    for host, serial in before.items():
        smoke.check(edge.question(host), PATIENCE_S, edge.way())
        assert edge.certificate(host).serial_number == serial


def test_a_name_that_is_not_of_the_stack_gets_no_certificate(edge: Edge) -> None:
    with pytest.raises(ssl.SSLError):
        edge.certificate(f"elsewhere.{DOMAIN}")
