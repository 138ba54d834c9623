"""The gates of a stack: what must pass before a change is taken.

Stands above facts.py and step.py. Every step is a verb of gavan or a command of the part's own
tools, so it does the same on a laptop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gavan.ci.facts import Facts, Part
from gavan.ci.step import Gate, Step

_CLEAN = {"npm": "npm ci", "pnpm": "pnpm install --frozen-lockfile",
          "yarn": "yarn install --frozen-lockfile"}  # fmt: skip
_TYPES = ("types", "typecheck", "type-check", "check-types")
_UNIT = ("test:unit", "unit", "test")
_E2E = ("test:e2e", "e2e")


def gates(facts: Facts) -> tuple[Gate, ...]:
    """Return the gates that [ci] wants and the stack has something for, in their order."""
    wanted = facts.ci.gates or tuple(_GATES)
    made = (_GATES[name](facts) for name in _GATES if name in wanted)
    return tuple(gate for gate in made if gate.steps)


def packages(facts: Facts, parts: tuple[Part, ...]) -> Iterator[Step]:
    """Yield the steps that install what the parts need, from their lock files."""
    managers = {part.manager for part in parts if part.is_node}
    if "pnpm" in managers:
        yield Step(name="Install pnpm", run=f"npm install --global pnpm@{facts.ci.pnpm}")
    for part in parts:
        if part.is_node:
            clean = _CLEAN[part.manager] if part.lock else "npm install"
            yield Step(name=f"Packages of {part.name}", run=clean, at=part.at)
        if part.is_python:
            yield Step(name=f"Python packages of {part.name}", run=_pip(part), at=part.at)


def build_steps(parts: tuple[Part, ...]) -> Iterator[Step]:
    """Yield the builds of these parts."""
    for part in parts:
        if part.build:
            yield Step(name=f"Build {part.name}", run=part.build, at=part.at)


def _pip(part: Part) -> str:
    words = [f"-r {name}" for name in part.python_files if name.endswith(".txt")]
    if "pyproject.toml" in part.python_files:
        text = (part.dir / "pyproject.toml").read_text(encoding="utf-8")
        extra = "[project.optional-dependencies]" in text and "\ndev = [" in text
        words.append('-e ".[dev]"' if extra else "-e .")
        words += ["--group dev"] if "[dependency-groups]" in text and "\ndev = [" in text else []
    return f"pip install {' '.join(words)}"


def _env(facts: Facts) -> Gate:
    steps = [Step(name="Stack file and variables", run="gavan check --env")]
    if facts.has_compose_file:
        steps.append(Step(name="Generated files are current", run="gavan generate --check"))
    steps.append(Step(name="Pipelines are current", run="gavan ci generate --check"))
    steps.append(Step(name="Pipelines are sound", run="gavan ci check"))
    return Gate(name="env", title="Stack file", steps=tuple(steps), gavan=True, minutes=10)


def _scripts(facts: Facts, name: str, words: tuple[str, ...], tool: str, command: str) -> Gate:
    """Return the gate of a script of package.json and of the Python tool for the same."""
    node = tuple(part for part in facts.node_parts if part.script(*words))
    python = tuple(part for part in facts.python_parts if part.asks_for(tool))
    used = tuple(part for part in facts.parts if part in node or part in python)
    run = [Step(name=f"{name.capitalize()} {part.name}", run=_script(part, *words), at=part.at)
           for part in node]  # fmt: skip
    run += [Step(name=f"{tool} {part.name}", run=command, at=part.at) for part in python]
    steps = (*packages(facts, used), *run) if run else ()
    return Gate(name=name, title=name.capitalize(), steps=steps, node=_any_node(used),
                python=any(part.is_python for part in used))  # fmt: skip


def _script(part: Part, *words: str) -> str:
    return f"{part.manager} run {part.script(*words)}"


def _any_node(parts: tuple[Part, ...]) -> bool:
    return any(part.is_node for part in parts)


def _build(facts: Facts) -> Gate:
    built = tuple(part for part in facts.parts if part.build)
    steps = (*packages(facts, built), *build_steps(built))
    return Gate(name="build", title="Build", steps=steps if built else (), node=_any_node(built),
                python=any(part.is_python for part in built))  # fmt: skip


def _migrations(facts: Facts) -> Gate:
    steps = (
        Step(name="Lint migrations", run="gavan migrate lint"),
        *_running(Step(name="Replay migrations, there and back", run="gavan migrate verify"),
                  units="postgres"),
    )  # fmt: skip
    return Gate(name="migrations", title="Migrations", gavan=True,
                steps=steps if facts.has_migrations else ())  # fmt: skip


def _smoke(facts: Facts) -> Gate:
    steps = (
        *packages(facts, facts.parts),
        *_running(Step(name="Every unit is ready", run="gavan status --exit-code")),
    )
    return Gate(name="smoke", title="Start the stack", steps=steps, gavan=True,
                node=_any_node(facts.parts), python=True)  # fmt: skip


def _e2e(facts: Facts) -> Gate:
    tested = tuple(part for part in facts.node_parts if part.script(*_E2E))
    browsers = [
        Step(name=f"Browsers of {part.name}", at=part.at,
             run="npx playwright install --with-deps chromium")
        for part in tested if part.depends_on("@playwright/test")
    ]  # fmt: skip
    run = [Step(name=f"End to end {part.name}", run=_script(part, *_E2E), at=part.at)
           for part in tested]  # fmt: skip
    steps = (*packages(facts, facts.parts), *browsers, *_running(*run))
    return Gate(name="e2e", title="End to end", steps=steps if tested else (), gavan=True,
                node=True, python=True, minutes=30)  # fmt: skip


def _checks(facts: Facts) -> Gate:
    steps = tuple(Step(name=name, run=run) for name, run in facts.ci.checks.items())
    return Gate(name="checks", title="Checks", steps=steps, gavan=True,
                node=_any_node(facts.parts), python=True)  # fmt: skip


def _running(*steps: Step, units: str = "") -> tuple[Step, ...]:
    """Return the steps between a start and a stop of the stack; logs are shown on failure."""
    # Some runners are root, and Postgres refuses to be; for others the flag means nothing.
    up = " ".join(["gavan up", *([units] if units else []), "--create-user"])
    return (
        Step(name="Start the stack", run=up),
        *steps,
        Step(name="Stop the stack", run="gavan logs --last 50 || true\ngavan down", always=True),
    )


_GATES: dict[str, Callable[[Facts], Gate]] = {
    "env": _env,
    "lint": lambda facts: _scripts(facts, "lint", ("lint",), "ruff", "ruff check ."),
    "types": lambda facts: _scripts(facts, "types", _TYPES, "mypy", "mypy ."),
    "unit": lambda facts: _scripts(facts, "unit", _UNIT, "pytest", "pytest -q"),
    "build": _build,
    "migrations": _migrations,
    "smoke": _smoke,
    "e2e": _e2e,
    "checks": _checks,
}
