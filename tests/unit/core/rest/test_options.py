"""The options of the data API: names, readers, and where a role stands in a token."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from gavan.core.rest.config import RestConfig, overlay
from gavan.core.rest.role_path import claim_path, role_at
from gavan.core.settings import rest_options
from gavan.kit.jwt import read_keys
from gavan.kit.secret import Secret

BASE = RestConfig(schemas=("public",))
TEXT = "a secret that is long enough for HS256"


@pytest.mark.parametrize(
    ("path", "role"),
    [
        (".role", "plain"),
        ("$.app.roles[1]", "second"),
        (".app['a b']", "spaced"),
        ('."https://a.b/role"', "named"),
        ('$["app"].deep', '{"x":1}'),
        (".app.none", None),
        (".app.roles[7]", None),
        (".role.x", None),
        ("$.app.roles[-1]", "second"),
        ("$.app.roles[?(@ == 'second')]", "second"),
        ("$.app.roles[?@ != 'first']", "second"),
        ("$.app.roles[?search(@, '^se')]", "second"),
        ('.app.roles[?(@ == "none")]', None),
        ('.app.roles[?(@ ^== "sec")]', "second"),
        ('.app.roles[?(@ ==^ "rst")]', "first"),
        ('.app.roles[?(@ *== "eco")]', "second"),
        ("$.groups[?(@.kind == 'db')].name", "owner"),
        ("$.role[?@ == 'plain']", None),
    ],
)
def test_a_role_is_found_at_its_path(path: str, role: str | None) -> None:
    claims = {
        "role": "plain",
        "https://a.b/role": "named",
        "groups": [{"kind": "web", "name": "guest"}, {"kind": "db", "name": "owner"}, 5],
        "app": {"roles": ["first", "second"], "a b": "spaced", "deep": {"x": 1}},
    }
    assert role_at(claims, claim_path(path)) == role


@pytest.mark.parametrize(
    "path",
    ["", "$", ".a[?(@ = 'x')]", ".a[?search(@, '(')]", ".a[*]", ".a[1:2]", ".a..b", "..", "role"],
)
def test_a_path_of_other_steps_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        claim_path(path)


def test_a_secret_is_text_or_base64_or_keys() -> None:
    coded = base64.urlsafe_b64encode(TEXT.encode()).decode().rstrip("=")
    jwk = {"kty": "oct", "k": coded, "kid": "one", "alg": "HS256"}
    forms = (
        (TEXT, False),
        (base64.b64encode(TEXT.encode()).decode(), True),
        (json.dumps(jwk), False),
        (json.dumps({"keys": [jwk]}), False),
    )
    for text, is_base64 in forms:
        (key,) = read_keys(Secret(text), is_base64=is_base64)
        assert key.material == TEXT.encode()
        assert TEXT not in repr(key)


def test_a_secret_in_a_file_may_be_any_bytes(tmp_path: Path) -> None:
    material = bytes(range(128, 192))
    (tmp_path / "secret").write_bytes(material + b"\n")
    options = rest_options({"PGRST_JWT_SECRET": f"@{tmp_path / 'secret'}"})
    (key,) = read_keys(Secret(options["jwt_secret"]))
    assert key.material == material


@pytest.mark.parametrize("text", ["short", "{}", '{"keys": []}', '{"kty": "oct"}', '{"keys": 1}'])
def test_a_secret_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it "):
        read_keys(Secret(text))


def test_a_bad_value_in_the_database_changes_nothing() -> None:
    bad = {
        "jwt_aud": "http:// no",
        "db_max_rows": "x",
        "jwt_secret": "short",
        "db_plan_enabled": "maybe",
        "db_schemas": "a, pg_catalog",
    }
    assert overlay(BASE, bad) == BASE
