"""A rehearsal on real containers: the stack answers through Caddy's hosts and nowhere else."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port

GAVAN = str(Path(sys.executable).with_name("gavan"))
pytestmark = [pytest.mark.usefixtures("docker_engine"), pytest.mark.timeout(600)]

# A value that every layer of quoting on its way would like to change.
AWKWARD = "a$b${c}$$d #e 'f' \"g\" \\h\\n\nsecond line\ttab % & ; | ü 🚢 =i"
PROGRAM = """
import base64, http.server, json, os

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        value = base64.b64encode(os.environ["AWKWARD"].encode()).decode()
        body = json.dumps({"awkward": value, "core": os.environ["SUPABASE_URL"],
                           "db": "DATABASE_URL" in os.environ, "path": self.path}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body)

http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Answer).serve_forever()
"""
SCRIPT = "console.log('ahoy')\n"
STACK = """
[stack]
name = "wharf"

[profiles.prod-sim]
http_port = {http}
https_port = {https}

[apps.api]
dir = "api"
command = "python main.py"
port = 8000
health = {{ path = "/", interval = "1s" }}
routes = [{{ host = "api", path = "/v1", strip = true }}]
secrets = ["AWKWARD"]
memory = "64MiB"

[sites.web]
dir = "web"
output = "public"

[backup]
schedule = "30 3 * * *"

[backup.pitr]
enabled = true
"""


def gavan(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "AWKWARD": AWKWARD}
    return subprocess.run([GAVAN, "-p", "prod-sim", *words], cwd=root, env=env,
                          capture_output=True, text=True, check=False)  # fmt: skip


class Wharf:
    """The running stack and how to ask it."""

    def __init__(self, root: Path, https: int, http: int) -> None:
        self.root = root
        self.https = https
        self.http = http

    def get(self, host: str, path: str, *more: str) -> tuple[int, str]:
        """Ask through the proxy as a browser would; return status and body."""
        words = ["curl", "-sk", "--resolve", f"{host}:{self.https}:127.0.0.1", *more,
                 "-w", "\n%{http_code}", f"https://{host}:{self.https}{path}"]  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def services(self) -> dict[str, str]:
        said = json.loads(gavan(self.root, "--json", "status").stdout)
        return {unit["service"]: unit["health"] for unit in said["data"]["units"]}


@pytest.fixture(scope="module")
def wharf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wharf]:
    root = tmp_path_factory.mktemp("wharf")
    https, http = free_port(), free_port()
    (root / "gavan.toml").write_text(STACK.format(http=http, https=https))
    (root / "api").mkdir()
    (root / "api" / "requirements.txt").touch()
    (root / "api" / "main.py").write_text(PROGRAM)
    (root / "web" / "public").mkdir(parents=True)
    (root / "web" / "public" / "index.html").write_text("url=__GAVAN_VITE_SUPABASE_URL__")
    assets = root / "web" / "public" / "assets"
    assets.mkdir()
    (assets / "app-1.js").write_text(SCRIPT)
    (assets / "app-1.js.gz").write_bytes(gzip.compress(SCRIPT.encode() + b"// packed"))
    (root / "supabase" / "migrations").mkdir(parents=True)
    (root / "supabase" / "migrations" / "001_ship.sql").write_text(
        "create table public.ship (name text primary key);\n"
        "alter table public.ship enable row level security;\n"
        "create policy seen on public.ship for select to anon using (true);\n"
        "grant select on public.ship to anon;\ninsert into public.ship values ('Aurora');\n"
    )
    up = gavan(root, "up")
    try:
        assert up.returncode == 0, up.stderr
        yield Wharf(root, https, http)
    finally:
        gavan(root, "--yes", "down", "--volumes")


def test_site_api_and_app_answer_at_their_hosts(wharf: Wharf) -> None:
    assert wharf.get("app.localhost", "/deep/link") == (
        200,
        f"url=https://api.localhost:{wharf.https}",
    )
    status, body = wharf.get("api.localhost", "/v1/berths")
    assert (status, json.loads(body)["path"]) == (200, "/berths")
    assert wharf.get("api.localhost", "/elsewhere")[0] == 404


def test_http_leads_to_the_port_of_https(wharf: Wharf) -> None:
    to, url = f"app.localhost:{wharf.http}", f"http://app.localhost:{wharf.http}/deep?x=1"
    form = "%{http_code} %{redirect_url}"
    words = ["curl", "-s", "--resolve", f"{to}:127.0.0.1", "-w", form, url]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    assert said == f"308 https://app.localhost:{wharf.https}/deep?x=1"


def test_answers_carry_the_headers_of_the_contract_and_no_name_of_a_server(wharf: Wharf) -> None:
    def head(path: str, *more: str) -> dict[str, str]:
        _, text = wharf.get("app.localhost", path, "-D", "-", "-o", "/dev/null", *more)
        lines = (line.partition(":") for line in text.splitlines())
        return {name.lower(): value.strip() for name, _, value in lines}

    page, script = head("/deep/link"), head("/assets/app-1.js")
    assert page["cache-control"] == "no-cache"
    assert script["cache-control"] == "public, max-age=31536000, immutable"
    for found in (page, script):
        assert found["x-content-type-options"] == "nosniff"
        assert found["referrer-policy"] == "strict-origin-when-cross-origin"
        assert found["x-request-id"]
        assert "server" not in found
        assert "strict-transport-security" not in found, "a domain that is not real"
    assert wharf.get("app.localhost", "/assets/none.js")[0] == 404
    assert wharf.get("api.localhost", "/metrics")[0] == 404
    # As the build has packed it, not packed again.
    status, body = wharf.get("app.localhost", "/assets/app-1.js", "--compressed")
    assert (status, body) == (200, SCRIPT + "// packed")


def test_limits_count_the_address_that_the_proxy_saw_whatever_a_client_says(wharf: Wharf) -> None:
    url = f"https://127.0.0.1:{wharf.https}/auth/v1/recover"
    codes = []
    with httpx.Client(verify=False) as client:
        for number in range(31):
            headers = {"Host": f"api.localhost:{wharf.https}", "apikey": key_of(wharf),
                       "X-Forwarded-For": f"198.51.100.{number}"}  # fmt: skip
            answer = client.post(url, json={"email": "nobody@example.com"}, headers=headers,
                                 extensions={"sni_hostname": "api.localhost"})  # fmt: skip
            codes.append(answer.status_code)
    assert 429 not in codes[:30]
    assert codes[30] == 429


def key_of(wharf: Wharf) -> str:
    lines = (wharf.root / ".gavan/compose/prod-sim/place.env").read_text().splitlines()
    key = next(line for line in lines if line.startswith("ANON_KEY=")).partition("=")[2]
    return key.strip(chr(39))


def test_the_data_api_serves_what_the_migrations_made(wharf: Wharf) -> None:
    status, body = wharf.get("api.localhost", "/rest/v1/ship", "-H", f"apikey: {key_of(wharf)}")
    assert (status, json.loads(body)) == (200, [{"name": "Aurora"}])


def test_a_secret_reaches_the_app_byte_by_byte_and_no_generated_file(wharf: Wharf) -> None:
    status, body = wharf.get("api.localhost", "/v1/")
    found = json.loads(body)
    assert status == 200
    assert subprocess.run(["base64", "-d"], input=found["awkward"].encode(), check=True,
                          capture_output=True).stdout.decode() == AWKWARD  # fmt: skip
    assert found["core"] == "http://proxy:54321"
    for file in (wharf.root / "deploy").rglob("*"):
        assert not file.is_file() or "second line" not in file.read_text()
    private = wharf.root / ".gavan/compose/prod-sim/place.env"
    assert private.stat().st_mode & 0o777 == 0o600


def test_only_the_proxy_listens_on_this_machine(wharf: Wharf) -> None:
    form = "{{.Names}} {{.Ports}}"
    done = subprocess.run(
        ["docker", "ps", "--filter", "name=wharf-prod-sim", "--format", form],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    published = [line.split()[0] for line in done.stdout.splitlines() if "->" in line]
    assert published == ["wharf-prod-sim-proxy-1"]


def test_every_service_is_well_and_the_job_is_done(wharf: Wharf) -> None:
    assert wharf.services() == {
        "api-blue": "healthy", "core-blue": "healthy", "cron": "running", "migrate": "done",
        "postgres": "healthy", "proxy": "healthy", "wal": "running", "web-blue": "healthy",
    }  # fmt: skip


def test_a_backup_is_made_by_the_clock_and_a_drill_restores_it(wharf: Wharf) -> None:
    environment = gavan(wharf.root, "exec", "cron", "--", "printenv", "GAVAN_CRON").stdout
    commands = {job["name"]: job["command"] for job in json.loads(environment)}
    assert commands["gavan:backup"] == "exec gavan -q backup run --prune --wait 1h"
    for verb in ("run", "drill"):
        done = gavan(wharf.root, "exec", "cron", "--", "gavan", "--json", "backup", verb)
        checks = json.loads(done.stdout)["data"].get("checks", [])
        assert [check for check in checks if check["outcome"] == "fail"] == []
        assert done.returncode == 0, done.stderr
    folders = (wharf.root / ".gavan/compose/prod-sim/data/backups").iterdir()
    assert any("-logical-" in folder.name for folder in folders)


def test_the_stack_goes_back_to_a_moment_and_from_there_on(wharf: Wharf) -> None:
    def ask(statement: str) -> str:
        code = (
            "import os, psycopg\n"
            "with psycopg.connect(os.environ['GAVAN_DB_URL'], autocommit=True) as connection:\n"
            f"    rows = connection.execute({statement!r})\n"
            "    print(*(row[0] for row in rows.fetchall()) if rows.description else ())"
        )
        done = gavan(wharf.root, "exec", "cron", "--", "python", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def ships() -> str:
        return ask("select string_agg(name, ',' order by name) from public.ship")

    base = gavan(wharf.root, "exec", "cron", "--", "gavan", "backup", "run", "--kind", "physical")
    assert base.returncode == 0, base.stderr
    ask("insert into public.ship values ('Borea')")
    moment = ask("select clock_timestamp()")
    ask("delete from public.ship")
    back = gavan(wharf.root, "--yes", "backup", "restore", "--at", moment)
    assert back.returncode == 0, back.stderr
    assert ships() == "Aurora,Borea"
    assert wharf.services()["postgres"] == "healthy"
    kept = [path.name for path in (wharf.root / ".gavan/compose/prod-sim/data/postgres-data")
            .iterdir() if path.name.startswith("data_before_")]  # fmt: skip
    assert len(kept) == 1
    # The log of the new timeline is received too: what comes now can be gone back to.
    base = gavan(wharf.root, "exec", "cron", "--", "gavan", "backup", "run", "--kind", "physical")
    assert base.returncode == 0, base.stderr
    ask("insert into public.ship values ('Corvus')")
    moment = ask("select clock_timestamp()")
    ask("delete from public.ship")
    again = gavan(wharf.root, "--yes", "backup", "restore", "--at", moment)
    assert again.returncode == 0, again.stderr
    assert ships() == "Aurora,Borea,Corvus"


def test_the_second_slot_takes_over_by_its_file_alone(wharf: Wharf) -> None:
    state = wharf.root / ".gavan/compose/prod-sim"
    files = ("--env-file", str(state / "place.env"), "--env-file", str(state / "release.env"))
    words = ["docker", "compose", "-p", "wharf-prod-sim", "-f", "deploy/compose.stack.yml", *files]
    subprocess.run([*words, "up", "-d", "--wait", "--no-deps", "api-green"], check=True,
                   cwd=wharf.root, capture_output=True)  # fmt: skip
    (state / "slots" / "api").write_text("api-green:8000")
    assert gavan(wharf.root, "stop", "api-blue").returncode == 0
    assert wharf.get("api.localhost", "/v1/")[0] == 200
    inside = (
        "python",
        "-c",
        "import urllib.request as u; print(u.urlopen('http://proxy:8000/').status)",
    )
    assert gavan(wharf.root, "exec", "core", "--", *inside).stdout.strip() == "200"
    assert gavan(wharf.root, "start", "api-blue").returncode == 0


def test_a_new_route_is_there_after_another_up(wharf: Wharf) -> None:
    file = wharf.root / "gavan.toml"
    before = file.read_text()
    assert wharf.get("api.localhost", "/v2/berths")[0] == 404
    file.write_text(before.replace('path = "/v1"', 'path = "/v2"'))
    assert gavan(wharf.root, "up").returncode == 0
    assert wharf.get("api.localhost", "/v2/berths")[0] == 200
    file.write_text(before)
    assert gavan(wharf.root, "up").returncode == 0
    assert wharf.get("api.localhost", "/v1/berths")[0] == 200


def test_a_file_changed_by_hand_is_not_overwritten(wharf: Wharf) -> None:
    file = wharf.root / "deploy" / "compose.stack.yml"
    before = file.read_text()
    file.write_text(before + "# mine\n")
    checked = gavan(wharf.root, "generate", "--check")
    up = gavan(wharf.root, "up")
    file.write_text(before)
    assert checked.returncode == 5
    assert "deploy/compose.stack.yml is edited" in checked.stdout
    assert up.returncode == 6
    assert "GV510" in up.stderr
    assert gavan(wharf.root, "generate", "--check").returncode == 0


@pytest.mark.parametrize(
    ("program", "cause"),
    [
        ("import sys; print('no berth free'); sys.exit(3)", "ended with code 3"),
        ("x = bytearray(300 * 2**20); import time; time.sleep(60)", "took more than 64 MiB"),
        ("import time; print('asleep'); time.sleep(600)", "does not answer its health check"),
    ],
    ids=["ends", "takes too much memory", "never listens"],
)
def test_a_start_that_fails_names_its_cause(wharf: Wharf, program: str, cause: str) -> None:
    file = wharf.root / "api" / "main.py"
    file.write_text(program)
    try:
        up = gavan(wharf.root, "--timeout", "120", "up", "--set", "apps.api.health.start=4s")
    finally:
        file.write_text(PROGRAM)
    assert up.returncode == 3, up.stderr
    assert "GV512 api-blue" in up.stderr
    assert cause in up.stderr
