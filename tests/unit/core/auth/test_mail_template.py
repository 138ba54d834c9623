"""Go's template language as users' mail templates speak it, and values that stay values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.core.auth.mail.plain_text import plain_text
from gavan.core.auth.mail.template.evaluate import Plain, render
from gavan.core.auth.mail.template.html_place import Html
from gavan.core.auth.mail.template.nodes import TemplateError
from gavan.core.auth.mail.template.parse import parse

DATA: dict[str, Any] = {
    "Email": "ann@example.com",
    "Token": "123456",
    "SiteURL": "https://example.com",
    "Data": {"name": "Ann", "lang": "de", "tags": ["a", "b"], "nested": {"deep": 7}, "zero": 0},
    "Empty": "",
    "Evil": "\"><script>alert('x')</script>",
}


def plain(source: str, data: dict[str, Any] | None = None) -> str:
    return render(parse(source), data or DATA, Plain())


def html(source: str, **data: Any) -> str:
    return render(parse(source), {**DATA, **data}, Html())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Hello {{ .Email }}!", "Hello ann@example.com!"),
        ("{{.Data.name}} {{ .Data.nested.deep }}", "Ann 7"),
        ("[{{ .Data.missing }}{{ .Data.missing.more }}{{ .Nothing }}]", "[]"),
        ('{{ if eq .Data.lang "de" }}Hallo{{ else }}Hello{{ end }}', "Hallo"),
        ('{{ if eq .Data.lang "fr" }}a{{ else if eq .Data.lang "de" }}b{{ else }}c{{ end }}', "b"),
        ("{{ if .Empty }}yes{{ else }}no{{ end }}", "no"),
        ("{{ if .Data.zero }}yes{{ end }}", ""),
        ("{{ if and .Email .Data.name }}both{{ end }}", "both"),
        ("{{ if or .Empty .Data.name }}one{{ end }}", "one"),
        ("{{ if not .Empty }}none{{ end }}", "none"),
        ("{{ with .Data }}{{ .name }} {{ $.Token }}{{ end }}", "Ann 123456"),
        ("{{ with .Empty }}a{{ else }}b{{ end }}", "b"),
        ("{{ range .Data.tags }}<{{ . }}>{{ end }}", "<a><b>"),
        ("{{ range $i, $t := .Data.tags }}{{ $i }}{{ $t }}{{ end }}", "0a1b"),
        ("{{ range .Data.none }}a{{ else }}nobody{{ end }}", "nobody"),
        ('{{ $x := .Data.name }}{{ if $x }}{{ $x = "Bea" }}{{ end }}{{ $x }}', "Bea"),
        ('{{ index .Data "name" }}{{ index .Data.tags 1 }}', "Annb"),
        ("{{ len .Data.tags }}", "2"),
        ('{{ printf "%s has %d" .Data.name 3 }}', "Ann has 3"),
        ('{{ .Data.name | printf "%q" }}', '"Ann"'),
        ('{{ (index .Data "nested").deep }}', "7"),
        ("a {{- .Token -}} b", "a123456b"),
        ("a {{- /* said to nobody */ -}} b", "ab"),
        ("{{/* alone */}}x", "x"),
        ("{{ `{{ .Code }}` }}", "{{ .Code }}"),
        ('{{ "}}" }}', "}}"),
        ("{{ if gt (len .Data.tags) 1 }}many{{ end }}", "many"),
        ("{{ .Data.nested }}", '{"deep": 7}'),
        ("{{ true }}{{ nil }}", "true"),
    ],
)
def test_a_template_says_what_it_says_in_go(source: str, expected: str) -> None:
    assert plain(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ .Email",
        "{{ if .Email }}",
        "{{ end }}",
        "{{ else }}",
        "{{ }}{{ | }}",
        "{{ nosuch .Email }}",
        '{{ template "x" }}',
        '{{ define "x" }}{{ end }}',
        "{{ $y }}",
        "{{ .Email .Token }}",
        "{{ lt .Email 1 }}",
        "{{ (.Email }}",
        "{{ ? }}",
        '{{ "\\x" }}',
    ],
)
def test_a_template_that_is_none_is_refused(source: str) -> None:
    with pytest.raises(TemplateError):
        plain(source)


def test_blocks_do_not_nest_without_end() -> None:
    with pytest.raises(TemplateError, match="nested"):
        plain("{{ if .Email }}" * 60 + "{{ end }}" * 60)


def test_a_loop_over_what_a_user_stored_has_a_longest_text() -> None:
    source = "{{ range .Data.big }}" + "x" * 100_000 + "{{ end }}"
    with pytest.raises(TemplateError, match="longer"):
        plain(source, {"Data": {"big": [1] * 100}})


def test_a_loop_in_a_loop_over_what_a_user_stored_ends() -> None:
    source = "{{ range .Data.big }}{{ range $.Data.big }}{{ end }}{{ end }}"
    with pytest.raises(TemplateError, match="steps"):
        plain(source, {"Data": {"big": [0] * 10_000}})


EVIL = [
    "\"><script>alert('x')</script>",
    "'><img src=x onerror=alert(1)>",
    "x onmouseover=alert(1)",
    "javascript:alert(1)",
    " java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "</title><script>",
    "--><script>alert(1)</script>",
    "`=x y='",
    "expression(alert(1))",
    "&#34;&gt;",
]


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize(
    "template",
    [
        "<p>{X}</p>",
        '<p title="{X}">',
        "<p title='{X}'>",
        "<p title={X}>",
        '<a href="{X}">',
        '<a href="https://a.example/?q={X}">',
        "<img src={X}>",
        "<title>{X}</title>",
        "<!-- {X} -->",
        "<script>var x = '{X}';</script>",
        '<p style="color: {X}">',
        '<p onclick="{X}">',
        "<p {X}>",
        "<{X}>",
        "<textarea>{X}</textarea>",
        '<p title="{{ html .Evil }}">',
        "<p title={{ .Evil | html }}>",
    ],
)
def test_a_value_never_leaves_the_place_it_was_put_into(template: str, evil: str) -> None:
    """Injection: neither a tag, an attribute, a scheme nor code comes out of a user's text."""
    written = html(template.replace("{X}", "{{ .Evil }}"), Evil=evil)
    harmless = html(template.replace("{X}", "{{ .Evil }}"), Evil="x")
    assert written.count("<") == harmless.count("<")
    assert written.count(">") == harmless.count(">")
    assert written.count('"') == harmless.count('"')
    assert written.count("'") == harmless.count("'")
    for scheme in ("javascript:", "data:"):
        assert f'href="{scheme}' not in written
        assert f"src={scheme}" not in written
    if template.startswith(("<p title={", "<img")):
        assert " " not in written.removeprefix("<p ").removeprefix("<img ")
    if "onclick" in template or "var x" in template:
        assert "alert" not in written


@given(st.text(), st.sampled_from(["<p>{{.X}}</p>", '<b id="{{.X}}">', '<a href="/?{{.X}}">']))
def test_no_text_at_all_adds_a_tag_or_ends_an_attribute(value: str, template: str) -> None:
    written = html(template, X=value)
    assert written.count("<") == template.count("<")
    assert written.count('"') == template.count('"')


def test_an_address_keeps_its_own_signs() -> None:
    link = "https://example.com/auth/v1/verify?token=abc&type=signup&redirect_to=http%3A%2F%2Fx"
    assert html('<a href="{{ .Link }}">', Link=link) == f'<a href="{link.replace("&", "&amp;")}">'


def test_what_follows_a_question_mark_is_one_part_of_the_query() -> None:
    written = html(
        '<a href="{{ .SiteURL }}/confirm?token_hash={{ .Hash }}&next={{ .Next }}">',
        Hash="pkce_ab",
        Next="https://example.com/a?b=c&d=e#f",
    )
    assert written == (
        '<a href="https://example.com/confirm?token_hash=pkce_ab'
        '&next=https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%26d%3De%23f">'
    )


def test_a_value_escaped_for_a_query_is_not_escaped_twice() -> None:
    written = html('<a href="/?next={{ .Next | urlquery }}">', Next="a b&c")
    assert written == '<a href="/?next=a%20b%26c">'


def test_the_text_part_says_where_links_lead() -> None:
    page = (
        "<html><head><title>T</title><style>p{}</style></head><body><h1>Hi &amp; welcome</h1>"
        '<p>Please\n  <a href="https://x.example/?a=1&amp;b=2">confirm</a>.</p><br>Bye</body>'
    )
    assert plain_text(page) == (
        "Hi & welcome\n\nPlease confirm: https://x.example/?a=1&b=2.\n\nBye\n"
    )
