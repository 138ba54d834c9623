"""Forms in string values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.kit.secret import Secret
from gavan.stack.interpolate import Names, Unresolved, is_literal, names, resolve
from gavan.stack.model import EnvValue


class _Scope:
    def variable(self, name: str) -> EnvValue | None:
        values: dict[str, EnvValue] = {
            "A": "1", "EMPTY": "", "KEY": Secret("hunter2"), "FORM": "${A}",
        }  # fmt: skip
        return values.get(name)

    def reference(self, path: str) -> EnvValue:
        if path == "core.url":
            return "http://core"
        if path == "profile":
            return "dev"
        raise Unresolved(path, "no such reference")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${A}", "1"),
        ("x${A}y${A}", "x1y1"),
        ("$A $ %", "$A $ %"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$$${A}", "$1"),
        ("${B:-two words}", "two words"),
        ("${B:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-x}", "x"),
        ("${A:-x}", "1"),
        ("${A:?why}", "1"),
        ("${FORM}", "${A}"),
        ("env(A)", "1"),
        ("see env(A)", "see env(A)"),
        ("${core.url}/rest", "http://core/rest"),
        ("${profile}", "dev"),
        ("$(whoami) `id`", "$(whoami) `id`"),
    ],
)
def test_form_is_replaced_in_one_pass(text: str, value: str) -> None:
    assert resolve(text, _Scope()) == value


@pytest.mark.parametrize("text", ["${KEY}", "x-${KEY}-${A}", "secret://KEY", "secret://A"])
def test_a_secret_part_makes_the_whole_secret(text: str) -> None:
    assert isinstance(resolve(text, _Scope()), Secret)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${B}", "variable B is not set"),
        ("env(B)", "variable B is not set"),
        ("secret://B", "variable B is not set"),
        ("${B:?ask the team}", "ask the team"),
        ("${EMPTY:?ask the team}", "ask the team"),
        ("${a b}", "this is not a name"),
        ("${}", "this is not a name"),
        ("${A", "the brace is not closed"),
        ("${B:-${A}}", "a form inside a form"),
        ("${apps.x.url}", "no such reference"),
    ],
)
def test_form_without_a_value_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Unresolved) as failure:
        resolve(text, _Scope())
    assert failure.value.reason == reason


def test_names_of_a_text_are_listed() -> None:
    text = "${A}${B:-x} $${C} ${core.url}"
    assert names(text) == Names(("A", "B"), ("core.url",))
    assert names("secret://S") == Names(("S",), ())
    assert is_literal("just $text and $$")


@given(st.text())
def test_doubling_dollars_keeps_any_text(text: str) -> None:
    # A text that is a whole `env(X)` or `secret://X` is that form, not text.
    if text.startswith(("env(", "secret://")):
        return
    assert resolve(text.replace("$", "$$"), _Scope()) == text
