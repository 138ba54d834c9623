"""`${...}` in string values: variables, defaults, references; one pass, no nesting, no commands.

Stands between layers.py and read.py; pure: the scope brings everything that can be looked up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from gavan.kit.secret import Secret
from gavan.stack.model import EnvValue

_FORM = re.compile(r"\$\$|\$\{(?P<body>[^}]*)(?P<close>\}?)")
_BODY = re.compile(
    r"(?P<reference>profile|[a-z]+(?:\.[A-Za-z0-9_-]+)+)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:-|:\?)(?P<text>.*))?",
    re.DOTALL,
)
_ENV = re.compile(r"env\(\s*([A-Za-z_][A-Za-z0-9_]*)\s*\)")
_SECRET = re.compile(r"secret://([A-Za-z_][A-Za-z0-9_]*)")


class Unresolved(Exception):
    """A form that has no value: ``text`` is the form as written, ``reason`` says why not."""

    is_unset = False
    """Only the value of a variable is missing"""

    def __init__(self, text: str, reason: str, mend: str | None = None) -> None:
        super().__init__(f"{text}: {reason}")
        self.text = text
        self.reason = reason
        self.mend = mend


class Unset(Unresolved):
    """A required variable that no layer sets; another machine may."""

    is_unset = True


class Scope(Protocol):
    """What a value may speak of."""

    def variable(self, name: str) -> EnvValue | None:
        """Return the winning value of a variable; None when no layer sets it."""

    def reference(self, path: str) -> EnvValue:
        """Return the value of a reference such as `core.url`; raise Unresolved."""


@dataclass(frozen=True, slots=True)
class Names:
    """What one text speaks of, for `config --explain` and for the checks."""

    variables: tuple[str, ...]
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """``${NAME}`` with its operator, ``:-`` or ``:?``, and what follows it; ``text`` as written."""

    text: str
    name: str
    operator: str | None = None
    argument: str = ""
    is_secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """``${core.url}`` and the like."""

    path: str


def names(text: str) -> Names:
    """Return the variables and references of a text, in order."""
    whole = _ENV.fullmatch(text) or _SECRET.fullmatch(text)
    if whole:
        return Names((whole[1],), ())
    bodies = [_BODY.fullmatch(form["body"]) for form in _FORM.finditer(text) if form["close"]]
    found = [body for body in bodies if body]
    return Names(
        tuple(body["name"] for body in found if body["name"]),
        tuple(body["reference"] for body in found if body["reference"]),
    )


def is_literal(text: str) -> bool:
    """Say whether the text stands for itself."""
    return names(text) == Names((), ())


def parts(text: str) -> list[str | Variable | Reference]:
    """Return what a text is made of, in order: text that stands for itself, and forms.

    Raises:
        Unresolved: a form is no form.
    """
    if whole := _SECRET.fullmatch(text):
        return [Variable(text=text, name=whole[1], is_secret=True)]
    if whole := _ENV.fullmatch(text):
        return [Variable(text=text, name=whole[1])]
    found: list[str | Variable | Reference] = []
    at = 0
    for form in _FORM.finditer(text):
        found += (text[at : form.start()], _form(form))
        at = form.end()
    return [*found, text[at:]]


def resolve(text: str, scope: Scope) -> EnvValue:
    """Return the text with every form replaced; a Secret as soon as one part is secret.

    Raises:
        Unresolved: a required variable is not set, a reference leads nowhere, a form is no form.
    """
    return _join([_value(part, scope) for part in parts(text)])


def _form(form: re.Match[str]) -> str | Variable | Reference:
    text = form[0]
    if text == "$$":
        return "$"
    if not form["close"]:
        raise Unresolved(text, "the brace is not closed", "close it with }, or write $$ for $")
    if "${" in form["body"]:
        raise Unresolved(
            text, "a form inside a form", "set a variable of its own for the inner one"
        )
    body = _BODY.fullmatch(form["body"])
    if body is None:
        raise Unresolved(text, "this is not a name", "write ${NAME}, or $$ for a dollar sign")
    if body["reference"]:
        return Reference(path=body["reference"])
    return Variable(
        text=text, name=body["name"], operator=body["operator"], argument=body["text"] or ""
    )


def _value(part: str | Variable | Reference, scope: Scope) -> EnvValue:
    if isinstance(part, str):
        return part
    if isinstance(part, Reference):
        return scope.reference(part.path)
    value = _variable(scope, part)
    return Secret(value) if part.is_secret and isinstance(value, str) else value


def _variable(scope: Scope, form: Variable) -> EnvValue:
    value = scope.variable(form.name)
    # As in the shell: `:-` and `:?` also answer for an empty value.
    if value is not None and (value or form.operator is None):
        return value
    if form.operator == ":-":
        return form.argument
    if form.operator == ":?":
        raise Unset(form.text, form.argument or f"{form.name} is required")
    raise Unset(form.text, f"variable {form.name} is not set")


def _join(parts: list[EnvValue]) -> EnvValue:
    text = "".join(part.reveal() if isinstance(part, Secret) else part for part in parts)
    return Secret(text) if any(isinstance(part, Secret) for part in parts) else text
