"""The console script: parsing, results, failures and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from gavan.cli import verbs
from gavan.cli.context import Context
from gavan.cli.main import main, root
from gavan.cli.render import Result
from gavan.cli.verb import VerbCommand, VerbGroup, verb
from gavan.cli.verbs import VERBS, Row
from gavan.kit.errors import GavanError

Install = Callable[[str, click.Command], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Add a verb of the test's own to the table."""

    def add(name: str, command: click.Command) -> None:
        module = types.ModuleType(f"gavan_test_{name}")
        module.command = command  # type: ignore[attr-defined]  # made for this test
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(verbs.VERBS, name, Row(f"{module.__name__}:command", "a test verb"))

    return add


def _seen(install: Install) -> list[Context]:
    """Install `look`, which remembers its context; it has an -f of its own."""
    contexts: list[Context] = []

    @verb("look", examples=["gavan look"])
    @click.option("-f", "--follow", is_flag=True)
    def look(context: Context, follow: bool) -> Result:
        contexts.append(context)
        return Result(data={"follow": follow})

    install("look", look)
    return contexts


def test_help_loads_no_verb_and_no_heavy_module() -> None:
    script = (
        "import sys; from gavan.cli.main import main; main(['--help']);"
        "heavy = {'tree_sitter', 'psycopg', 'pglast', 'starlette', 'asyncio', 'gavan.cli.version'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Verbs:" in done.stdout


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _commands(found, f"{path} {name}")


def test_every_verb_has_help_and_an_example_that_names_it() -> None:
    for path, command in _commands(root, "gavan"):
        if command is root:
            continue
        assert isinstance(command, VerbCommand | VerbGroup), path
        assert command.help, path
        assert command.examples, path
        assert all(path in example for example in command.examples), path


def test_what_a_flag_may_be_is_text_since_members_of_enums_are_asked_for_by_their_names() -> None:
    for path, command in _commands(root, "gavan"):
        choices = [param.type.choices for param in command.params
                   if isinstance(param.type, click.Choice)]  # fmt: skip
        assert all(type(one) is str for found in choices for one in found), path


def test_unknown_verb_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verson"]) == 2
    assert "did you mean 'version'?" in capsys.readouterr().err


def test_unknown_flag_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--verbos"]) == 2
    assert "--verbose" in capsys.readouterr().err


def test_no_verb_prints_help_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Verbs:" in captured.err


def test_json_result_has_the_versioned_shape(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--json"]) == 0
    shape = json.loads(capsys.readouterr().out)
    assert list(shape) == ["v", "ok", "verb", "data", "warnings", "error", "took_ms"]
    assert (shape["v"], shape["ok"], shape["verb"], shape["error"]) == (1, True, "version", None)


@pytest.mark.parametrize("argv", [["--json", "look", "--nope"], ["look", "--nope", "--json"]])
def test_usage_error_is_json_when_json_was_asked(
    argv: list[str], install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    _seen(install)
    assert main(argv) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "GV001"


def test_global_flags_stand_on_either_side_of_the_verb(install: Install) -> None:
    seen = _seen(install)
    main(["-p", "prod", "look", "-q"])
    main(["look", "-p", "prod", "-q"])
    assert [(c.flags.profile, c.flags.quiet) for c in seen] == [("prod", True)] * 2


def test_a_verbs_own_flag_wins_over_the_global_one(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = _seen(install)
    assert main(["--json", "look", "-f", "--file", "other.toml"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == {"follow": True}
    assert seen[0].flags.file == Path("other.toml")


def test_flag_beats_environment_and_environment_beats_default(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = _seen(install)
    monkeypatch.setenv("GAVAN_PROFILE", "from-environment")
    monkeypatch.setenv("GAVAN_SET", "A=1 2\nB=3")
    main(["look"])
    main(["look", "--profile", "from-flag", "--set", "C=4"])
    main(["--set", "C=4", "look", "--set", "D=5"])
    assert [c.flags.profile for c in seen[:2]] == ["from-environment", "from-flag"]
    assert [c.flags.set for c in seen] == [("A=1 2", "B=3"), ("C=4",), ("C=4", "D=5")]


def _install_raising(install: Install, error: BaseException) -> None:
    @verb("fall", examples=["gavan fall"])
    def fall(context: Context) -> Result:
        raise error

    install("fall", fall)


def test_gavan_error_says_what_why_and_mend_and_sets_the_exit_code(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    _install_raising(
        install,
        GavanError("GV999", "port taken", details="by pid 7", hint="gavan down", exit_code=4),
    )
    assert main(["fall"]) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error GV999 port taken\n  why: by pid 7\n  mend: gavan down\n"


def test_unexpected_exception_leaves_a_log_and_no_traceback(
    install: Install,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _install_raising(install, ZeroDivisionError("by zero"))
    assert main(["fall"]) == 1
    error = capsys.readouterr().err
    (log,) = tmp_path.iterdir()
    assert "Traceback" not in error
    assert str(log) in error
    assert "ZeroDivisionError: by zero" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_interrupt_exits_130(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    _install_raising(install, KeyboardInterrupt())
    assert main(["fall"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_timeout_exits_124(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    @verb("hang", examples=["gavan hang"])
    def hang(context: Context) -> Result:
        subprocess.run(["tail", "-f", "/dev/null"], check=False)
        return Result()

    install("hang", hang)
    assert main(["hang", "--timeout", "50ms"]) == 124
    assert "longer than 0.05 s" in capsys.readouterr().err


def test_a_question_nobody_can_answer_exits_6(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    @verb("wipe", examples=["gavan wipe"])
    def wipe(context: Context) -> Result:
        context.confirm("remove everything?")
        return Result(text="removed")

    install("wipe", wipe)
    assert main(["wipe"]) == 6
    assert main(["wipe", "--yes"]) == 0
    assert capsys.readouterr().out == "removed\n"


def test_group_names_the_nearest_of_its_verbs(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    noun = VerbGroup("noun", help="A noun.", examples=["gavan noun read"])

    @noun.verb("read", examples=["gavan noun read"])
    def read(context: Context) -> Result:
        return Result(data=context.flags.verb)

    install("noun", noun)
    assert main(["noun", "raed"]) == 2
    assert "did you mean 'read'?" in capsys.readouterr().err
    assert main(["noun", "read", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == "noun read"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "_GAVAN_COMPLETE" in capsys.readouterr().out


def test_rows_point_to_modules_that_exist() -> None:
    for name, row in VERBS.items():
        module, _, attribute = row.target.partition(":")
        assert module.startswith("gavan.cli."), name
        assert attribute, name
