"""A server of S3 and a broker beside the stack, real ones: what apps are told of them works.

The S3 is ``rclone serve s3`` in an image made here, which keeps neither versions nor rules of
expiry: it stands for "any server of S3" that [storage] image may name. The broker is RabbitMQ.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from gavan.engines.compose import env_file
from gavan.engines.compose.env_file import variables_of
from tests.hosts.conftest import machine
from tests.hosts.test_rehearsal import Wharf, gavan
from tests.ports import free_port

pytestmark = [pytest.mark.usefixtures("docker_engine"), pytest.mark.timeout(600)]
RCLONE_IMAGE = "co-rclone-s3:1"
RCLONE = """
FROM debian:trixie-slim
COPY rclone /usr/local/bin/rclone
COPY start.sh /
ENV RCLONE_CONFIG=/tmp/rclone.conf
CMD ["/bin/sh", "/start.sh"]
"""
# A list in a variable of rclone is a line of CSV, and its one item has a comma.
START = """
export RCLONE_AUTH_KEY="\\"$MINIO_ROOT_USER,$MINIO_ROOT_PASSWORD\\""
exec rclone serve s3 --addr :9000 /data
"""
PROGRAM = """
import http.server, json, os, urllib.parse
import boto3, pika
from botocore.config import Config

def s3(endpoint):
    return boto3.client("s3", endpoint_url=os.environ[endpoint],
        region_name=os.environ["S3_REGION"], aws_access_key_id=os.environ["S3_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["S3_SECRET_ACCESS_KEY"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))

def sign(verb, key):
    return s3("S3_PUBLIC_ENDPOINT").generate_presigned_url(
        verb, Params={"Bucket": "harbour", "Key": key},
        ExpiresIn=int(os.environ["S3_PRESIGN_TTL_SECONDS"]))

def look():
    return [item["Key"] for item in
            s3("S3_ENDPOINT").list_objects_v2(Bucket="harbour").get("Contents", [])]

def post():
    line = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = line.channel()
    channel.queue_declare("letters", durable=True)
    channel.basic_publish("", "letters", b"ahoy")
    _, _, body = channel.basic_get("letters", auto_ack=True)
    line.close()
    return body.decode()

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        answers = {"/": lambda: "well", "/sign": lambda: sign(**asked), "/look": look,
                   "/post": post}
        body = json.dumps(answers[path]()).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])),
                                Answer).serve_forever()
"""
STACK = """
[stack]
name = "mole"

[profiles.prod-sim]
http_port = {http}
https_port = {https}

[core]
services = ["rest"]

[storage]
engine = "minio"
image = "{image}"
command = ""

[storage.buckets.harbour]
versioning = true
expire_days = {{ "tmp/" = 7 }}

[queue]
broker = "rabbitmq"

[apps.api]
dir = "api"
command = "python main.py"
port = 8000
health = {{ path = "/", interval = "1s" }}
routes = [{{ host = "api", path = "/v1", strip = true }}]
needs = {{ queue = "healthy" }}
memory = "128MiB"
"""


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def pier(
    tmp_path_factory: pytest.TempPathFactory, docker_engine: dict[str, str]
) -> Iterator[Wharf]:
    del docker_engine
    machine("base-images.sh", "rabbitmq")
    context = tmp_path_factory.mktemp("rclone")
    shutil.copy(Path(sys.executable).with_name("rclone"), context / "rclone")
    (context / "Dockerfile").write_text(RCLONE)
    (context / "start.sh").write_text(START)
    docker("build", "-q", "-t", RCLONE_IMAGE, str(context))
    root = tmp_path_factory.mktemp("pier")
    https, http = free_port(), free_port()
    (root / "gavan.toml").write_text(STACK.format(http=http, https=https, image=RCLONE_IMAGE))
    (root / "api").mkdir()
    (root / "api" / "requirements.txt").write_text("gavan\npika>=1.3,<2\n")
    (root / "api" / "main.py").write_text(PROGRAM)
    (root / "supabase" / "migrations").mkdir(parents=True)
    up = gavan(root, "up")
    try:
        assert up.returncode == 0, up.stderr
        yield Wharf(root, https, http)
    finally:
        gavan(root, "--yes", "down", "--volumes")
        subprocess.run(["docker", "image", "rm", "-f", RCLONE_IMAGE], capture_output=True,
                       check=False)  # fmt: skip


def ask(pier: Wharf, path: str) -> object:
    status, body = pier.get("api.localhost", f"/v1{path}")
    assert status == 200, body
    return json.loads(body)


def signed(pier: Wharf, verb: str, key: str) -> str:
    """Return path and query of a URL that the app signed for browsers."""
    query = urllib.parse.urlencode({"verb": verb, "key": key})
    url = urllib.parse.urlsplit(str(ask(pier, f"/sign?{query}")))
    assert url.netloc == f"s3.localhost:{pier.https}"
    return f"{url.path}?{url.query}"


def test_a_url_that_an_app_signed_takes_and_gives_a_large_object_through_the_proxy(
    pier: Wharf, tmp_path: Path
) -> None:
    key, size = "installers/Гавань 1.0.exe", 64 * 2**20
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(os.urandom(size))
    up = pier.get("s3.localhost", signed(pier, "put_object", key), "-T", str(sent))
    assert up[0] == 200, up
    down = pier.get("s3.localhost", signed(pier, "get_object", key), "-o", str(back))
    assert down[0] == 200
    assert back.read_bytes() == sent.read_bytes()
    assert ask(pier, "/look") == [key]


def test_nobody_reads_an_object_without_a_signature_for_it(pier: Wharf) -> None:
    url = signed(pier, "put_object", "a.txt")
    assert pier.get("s3.localhost", url, "-X", "PUT", "-d", "a")[0] == 200
    assert pier.get("s3.localhost", "/harbour/a.txt")[0] in (400, 403)
    other = signed(pier, "get_object", "a.txt").replace("a.txt", "b.txt")
    assert pier.get("s3.localhost", other)[0] == 403
    assert pier.get("s3.localhost", "/minio/admin/v3/info")[0] == 404


def test_the_job_of_the_buckets_may_run_again_and_says_what_the_server_cannot_keep(
    pier: Wharf,
) -> None:
    url = signed(pier, "put_object", "kept.txt")
    assert pier.get("s3.localhost", url, "-X", "PUT", "-d", "k")[0] == 200
    state = pier.root / ".gavan/compose/prod-sim"
    files = ("--env-file", str(state / "place.env"), "--env-file", str(state / "release.env"))
    words = ("compose", "-p", "mole-prod-sim", "-f", str(pier.root / "deploy/compose.stack.yml"),
             *files, "run", "--rm", "--no-deps", "-T", "s3-init")  # fmt: skip
    assert docker(*words).splitlines() == [
        "harbour is there",
        "harbour: this server keeps no versions",
        "harbour: this server keeps no rules of expiry",
    ]
    listed = ask(pier, "/look")
    assert isinstance(listed, list)
    assert "kept.txt" in listed


def test_an_app_that_needs_the_broker_sends_and_gets_a_message(pier: Wharf) -> None:
    assert ask(pier, "/post") == "ahoy"


def test_the_broker_has_one_user_and_one_virtual_host_and_no_guest(pier: Wharf) -> None:
    def told(*words: str) -> str:
        return gavan(pier.root, "exec", "rabbitmq", "--", "rabbitmqctl", "-q", *words).stdout

    users = told("list_users", "--no-table-headers", "--silent").split("\n")
    assert [line.split()[0] for line in users if line] == ["mole"]
    assert told("list_vhosts", "--no-table-headers", "--silent").split() == ["mole"]
    limit = told("eval", "vm_memory_monitor:get_memory_limit().").strip()
    assert int(limit) == int(384 * 2**20 * 0.6)


def test_what_the_broker_keeps_outlives_its_container(pier: Wharf) -> None:
    assert ask(pier, "/post") == "ahoy"
    docker("rm", "-f", "mole-prod-sim-rabbitmq-1")
    up = gavan(pier.root, "up")
    assert up.returncode == 0, up.stderr
    queues = gavan(pier.root, "exec", "rabbitmq", "--", "rabbitmqctl", "-q", "-p", "mole",
                   "list_queues", "name", "--no-table-headers", "--silent")  # fmt: skip
    assert queues.stdout.split() == ["letters"]


def test_compose_itself_takes_the_file_of_the_official_images(tmp_path: Path) -> None:
    (tmp_path / "supabase" / "migrations").mkdir(parents=True)
    (tmp_path / "gavan.toml").write_text('[stack]\nname = "shop"\n[core]\nengine = "supabase"\n')
    assert gavan(tmp_path, "generate").returncode == 0
    file = tmp_path / "deploy" / "compose.stack.yml"
    values = {**dict.fromkeys(variables_of(file.read_text()), "x"), "HTTP_PORT": "80",
              "HTTPS_PORT": "443"}  # fmt: skip
    (tmp_path / "place.env").write_text(env_file.render(values))
    text = docker("compose", "-f", str(file), "--env-file", str(tmp_path / "place.env"),
                  "--profile", "*", "config", "--format", "json")  # fmt: skip
    found = json.loads(text)
    assert found["configs"]["supabase-roles"]["content"].startswith("\\set secret `echo")
    assert '"$POSTGRES_PASSWORD"' in found["configs"]["supabase-roles"]["content"].replace(
        "$$", "$"
    )
    assert found["services"]["studio"]["image"].startswith("supabase/studio:")
