"""The stack file as a whole: defaults, profiles, and every mistake in one pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.stack.findings import Finding, Level, StackErrors, render
from gavan.stack.load import Loaded, find_stack_file, load, load_stack
from gavan.stack.model import AppKind, Condition, EngineName
from tests.unit.stack.conftest import LoadFactory


def _codes(loaded: Loaded) -> list[str]:
    return [finding.code for finding in loaded.findings]


def _only(loaded: Loaded) -> Finding:
    assert len(loaded.findings) == 1, render(loaded.findings)
    return loaded.findings[0]


def test_a_name_alone_is_enough(load_factory: LoadFactory, tmp_path: Path) -> None:
    loaded = load_factory()
    stack = loaded.stack
    assert loaded.findings == ()
    assert (stack.name, stack.root, stack.profile.name) == ("test", tmp_path, "dev")
    assert (stack.database.port, stack.core.port) == (54322, 54321)
    assert stack.core.services == ("rest", "auth", "storage", "realtime")
    assert (stack.profile.engine, stack.profile.watch) == (EngineName.EMBEDDED, True)
    assert (stack.apps, stack.sites, stack.cron) == ((), (), ())


def test_values_know_where_they_are_written(load_factory: LoadFactory) -> None:
    stack = load_factory("[database]\nport = 6000\n").stack
    place = stack.positions[("database", "port")]
    assert (place.line, place.column) == (4, 8)
    assert ("core", "port") not in stack.positions


def test_an_app_gets_its_defaults_from_what_it_says(load_factory: LoadFactory) -> None:
    loaded = load_factory(
        '[apps.api]\ncommand = "serve"\nport = 3000\n'
        '[apps.work]\nkind = "worker"\ndev = "watch"\n'
        '[apps.once]\nkind = "job"\ncommand = "x"\nneeds = {}\n'
    )
    api, work, once = loaded.stack.apps
    assert loaded.findings == ()
    assert (api.health and api.health.tcp, api.needs) == (3000, {"core": Condition.HEALTHY})
    assert (work.kind, work.command, work.health) == (AppKind.WORKER, "watch", None)
    assert (once.restart, once.needs, once.port) == ("no", {}, None)


def test_twelve_mistakes_are_told_in_one_run_in_order(load_factory: LoadFactory) -> None:
    loaded = load_factory(
        """\
[stack]
name = "My Stack"
[database]
port = "54322"
max_connections = 1
[core]
servics = ["rest"]
max_rows = true
[apps.a]
comand = "x"
dir = "nowhere"
stop_timeout = "soon"
needs = { b = "healthy", ghost = "started" }
[apps.b]
command = "x"
env = { HOST = "${MISSING}" }
port = 54321
[cron.c]
schedule = "99 * * * *"
sql = "select 1"
[depoy]
""",
        named=False,
    )
    assert [(f.position.line, f.code) for f in loaded.errors] == [
        (2, "GV104"),
        (4, "GV102"),
        (5, "GV102"),
        (7, "GV101"),
        (8, "GV102"),
        (9, "GV103"),
        (10, "GV101"),
        (11, "GV160"),
        (12, "GV105"),
        (13, "GV131"),
        (16, "GV150"),
        (17, "GV120"),
        (19, "GV105"),
        (21, "GV101"),
    ]
    text = render(loaded.findings)
    assert text.splitlines()[-1] == "14 errors, 0 warnings"
    assert all(f.why and f.mend for f in loaded.findings)


def test_an_error_is_shown_with_its_line_and_a_caret(
    load_factory: LoadFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load_factory('[sites.web]\n\tbiuld = "npm run build"\n')
    assert str(StackErrors(loaded.findings)).splitlines() == [
        'gavan.toml:4:2 GV101 unknown key "biuld" in [sites.web]',
        '  4 | \tbiuld = "npm run build"',
        "    | \t^^^^^",
        '  why: nothing reads it; "build" is read: Makes the files.',
        '  mend: rename it to "build" (gavan check --fix does this)',
        "",
        "1 error, 0 warnings",
    ]


def test_load_stack_raises_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "gavan.toml").write_text("[stack]\n")
    with pytest.raises(StackErrors) as failure:
        load_stack(tmp_path / "gavan.toml", environ={})
    assert (failure.value.exit_code, failure.value.code) == (2, "GV103")
    assert failure.value.where is not None


def test_no_stack_file_names_the_directories_searched(tmp_path: Path) -> None:
    inner = tmp_path / "repo" / "a"
    inner.mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
    (tmp_path / "gavan.toml").write_text("[stack]\n")
    with pytest.raises(GavanError) as failure:
        find_stack_file(inner)
    assert failure.value.exit_code == 2
    assert failure.value.details == f"searched: {inner}, {inner.parent}"
    assert "gavan init" in (failure.value.hint or "")


def test_stack_file_is_found_from_below(tmp_path: Path) -> None:
    (tmp_path / "gavan.toml").write_text("[stack]\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_stack_file(tmp_path / "a" / "b") == tmp_path / "gavan.toml"


def test_windows_editor_and_foreign_letters_are_read(load_factory: LoadFactory) -> None:
    loaded = load_factory(
        '\ufeff[stack]\r\n\tname\t=\t"Чайка 🦭"\r\n[cron."é"]\r\nschedule = "@every 5m"\r\n'
        'sql = "select 1"\r\n',
        named=False,
    )
    slug, cron = loaded.errors
    assert (slug.code, slug.position.line, slug.position.column) == ("GV104", 2, 9)
    assert "a-z, 0-9 and -" in slug.mend
    assert slug.source == '\tname\t=\t"Чайка 🦭"'
    assert (cron.code, cron.position.line, cron.position.column) == ("GV104", 3, 7)


def test_needs_cycle_is_printed_with_its_lines(load_factory: LoadFactory) -> None:
    finding = _only(
        load_factory(
            '[apps.a]\ncommand="x"\nneeds={b="started"}\n'
            '[apps.b]\ncommand="x"\nneeds={c="started"}\n'
            '[apps.c]\ncommand="x"\nneeds={a="started"}\n'
        )
    )
    assert (finding.code, finding.position.line) == ("GV130", 5)
    assert finding.message == "needs form a cycle: a -> b -> c -> a"
    assert "a needs b in line 5, b needs c in line 8, c needs a in line 11" in finding.why


def test_an_app_that_needs_itself_is_a_cycle(load_factory: LoadFactory) -> None:
    finding = _only(load_factory('[apps.a]\ncommand="x"\nneeds={a="started"}\n'))
    assert finding.message == "needs form a cycle: a -> a"


def test_profile_set_is_laid_over_the_file(load_factory: LoadFactory) -> None:
    text = (
        "[database]\nport = 6000\nsettings = { work_mem = '8MB' }\n"
        "[profiles.big]\n"
        "set = { database = { settings = { jit = 'off' }, max_connections = 99 } }\n"
    )
    plain, big = load_factory(text).stack, load_factory(text, profile="big").stack
    assert (plain.database.max_connections, big.database.max_connections) == (60, 99)
    assert big.database.settings == {"work_mem": "8MB", "jit": "off"}
    assert big.database.port == 6000
    assert big.positions[("database", "max_connections")].line == 7


def test_profile_set_cannot_invent_things(load_factory: LoadFactory) -> None:
    loaded = load_factory(
        "[profiles.big]\n[profiles.big.set.core]\nprt = 1\n[profiles.big.set.apps.new]\n",
        profile="big",
    )
    assert {"GV113"} <= set(_codes(loaded))
    assert [f.position.line for f in loaded.findings if f.code == "GV113"] == [5, 6]


def test_flag_set_beats_the_file_and_variables(load_factory: LoadFactory) -> None:
    stack = load_factory(
        '[apps.a]\ncommand = "${RUN}"\n',
        environ={"RUN": "process"},
        overrides=["database.port=7001", "RUN=flag", "stack.name=other"],
    ).stack
    assert (stack.database.port, stack.apps[0].command, stack.name) == (7001, "flag", "other")


def test_mistake_in_flag_set_has_a_place(load_factory: LoadFactory) -> None:
    finding = _only(load_factory(overrides=["database.prt=7001"]))
    assert (finding.where, finding.code) == ("--set:1:10", "GV113")


def test_unknown_profile_names_the_nearest(load_factory: LoadFactory) -> None:
    finding = _only(load_factory(profile="prd"))
    assert (finding.code, finding.mend) == ("GV111", 'did you mean "prod"?')


def test_mistakes_of_other_profiles_are_found_too(load_factory: LoadFactory) -> None:
    assert _codes(load_factory("[profiles.other]\nengine = 'docker'\n")) == ["GV102"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[stack]\nname = 'x'\nschema = 2\n", "GV106"),
        ("[stack]\nname = 'x'\nrequires = '>=99'\n", "GV107"),
        ("[stack]\nname = 'x'\nrequires = 'newest'\n", "GV107"),
        ("stack = 'x'\n", "GV102"),
        ("[stack]\nname = 'x'\nroot = '%s'\n" % ("a" * 300), "GV102"),
        ('[stack]\nname = "x"\nroot = "\\u0000"\n', "GV102"),
        ('[stack]\nname = "x"\n[apps.a]\ncommand="x"\nenv={A="\\u0000"}\n', "GV102"),
        ("[stack]\nname = 'x'\n[database.seed]\nfiles=['a**b']\n", "GV102"),
        ("[stack]\nname = 'x'\n[database.seed]\nfiles=['/etc/*']\n", "GV102"),
        ("[stack]\nname='x'\n[cron.c]\nschedule='@every 1m'\nsql='x'\ntz='Mars'\n", "GV105"),
        ("[stack]\nname = 'x'\n[database]\nversion = 15\n", "GV112"),
        ("[stack]\nname = 'x'\n[apps]\na = 1\n", "GV102"),
        ("[stack]\nname = 'x'\n[apps.core]\ncommand='x'\n", "GV104"),
        ("[stack]\nname = 'x'\n[apps.a]\ncommand='x'\n[sites.a]\n", "GV104"),
        ("[stack]\nname = 'x'\n[sites.a]\n[sites.b]\n", "GV120"),
        ("[stack]\nname = 'x'\n[apps.a]\ncommand='x'\nhealth={path='/h'}\n", "GV103"),
        ("[stack]\nname = 'x'\n[apps.a]\ncommand='x'\nhealth={tcp=1, exec='x'}\n", "GV103"),
        ("[stack]\nname = 'x'\n[cron.c]\nschedule='@every 5m'\n", "GV103"),
        ("[stack]\nname = 'x'\n[cron.c]\nschedule='@every x'\nsql='select 1'\n", "GV105"),
        ("[stack]\nname = 'x'\n[database.migrations]\nlock_timeout='long'\n", "GV105"),
        ("[stack]\nname = 'x'\n[database.seed]\nfiles=['no.sql']\n", "GV160"),
        ("[stack]\nname = 'x'\n[core]\nport=70000\n", "GV102"),
        ("[stack]\nname = 'x'\n[core]\nservices=['rset']\n", "GV102"),
        ("[stack]\nname = '${stack.name}'\n", "GV150"),
        ("[stack]\nname = 'x'\n[database]\nexternal_url='${database.url}'\n", "GV150"),
        ("[stack]\nname = 'x'\n[database]\nexternal_url='postgres://u:p@h/d'\n", "GV151"),
        ("[stack]\nname = 'x'\n[apps.a]\ncommand='x'\nenv={API_TOKEN='abc'}\n", "GV151"),
        ("[stack]\nname = 'x'\n[apps.a]\ncommand='x ${database.url}'\n", "GV151"),
        ("[stack]\nname = 'x'\n[sites.a]\nenv={VITE_JWT_SECRET='${S:-x}'}\n", "GV152"),
        ("[stack]\nname = 'x'\n[sites.a]\nenv={VITE_DB='${database.url}'}\n", "GV152"),
        ("[stack]\nname = 'x'\n[apps.a]\ncommand='x'\nsecrets=['NOPE']\n", "GV150"),
        ("[stack]\nname='x'\ndefault_profile='prod'\n[profiles.prod]\ncors=['*']\n", "GV156"),
    ],
)
def test_each_rule_has_its_code(load_factory: LoadFactory, text: str, code: str) -> None:
    assert code in _codes(load_factory(text, named=False))


_CHAIN = "[apps.a]\ncommand='x'\n{}\n[apps.b]\ncommand='x'\nneeds = {{ a = '{}' }}\n"


@pytest.mark.parametrize(
    ("first", "condition", "codes"),
    [
        ("", "healthy", ["GV133"]),
        ("port = 3000", "healthy", []),
        ("", "completed", ["GV132"]),
        ("kind = 'job'", "completed", []),
        ("", "started", []),
        ("", "ready", ["GV102"]),
    ],
)
def test_a_condition_must_be_one_that_can_come_true(
    load_factory: LoadFactory, first: str, condition: str, codes: list[str]
) -> None:
    assert _codes(load_factory(_CHAIN.format(first, condition))) == codes


def test_route_claimed_twice_is_refused(load_factory: LoadFactory) -> None:
    loaded = load_factory(
        "[apps.a]\ncommand='x'\nroutes=[{host='api', path='/v1/'}]\n"
        "[sites.b]\nroute={host='API', path='/v1'}\n"
    )
    finding = _only(loaded)
    assert (finding.code, finding.position.line) == ("GV122", 7)
    assert finding.message == "route api/v1 leads to two places, also to a (line 5)"


def test_a_route_that_nothing_follows_is_a_warning(load_factory: LoadFactory) -> None:
    app = "[apps.a]\ncommand='x'\nport=3000\nroutes=[{host='api'}]\n"
    finding = _only(load_factory(app))
    assert (finding.code, finding.level, finding.position.line) == ("GV125", Level.WARNING, 6)
    assert load_factory(app + "[sites.web]\n").findings == ()
    assert load_factory(app, profile="prod").findings == ()


def test_x_tables_are_the_users_own(load_factory: LoadFactory) -> None:
    assert load_factory("[x-notes]\nanything = 1\n").findings == ()


def test_layers_win_over_the_file_in_an_apps_env(load_factory: LoadFactory, tmp_path: Path) -> None:
    text = (
        "[apps.a]\ncommand='x'\n"
        "env = { MODEL = 'file', N = 2, ON = true, REST = '${core.url}/x' }\n"
    )
    (tmp_path / ".env").write_text("MODEL=low\n")
    (tmp_path / ".env.local").write_text("MODEL=high\n")
    assert load_factory(text).stack.apps[0].env == {
        "MODEL": "high",
        "N": "2",
        "ON": "true",
        "REST": "http://127.0.0.1:54321/x",
    }
    env = load_factory(text, environ={"MODEL": "process"}).stack.apps[0].env
    assert env["MODEL"] == "process"


def test_secret_references_are_secrets(load_factory: LoadFactory, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PLAIN=abc\n")
    (app,) = load_factory(
        "[apps.a]\ncommand='x'\n"
        "env={ A = 'secret://PLAIN', B = 'x-${PLAIN}', C = '${database.url}' }\n"
    ).stack.apps
    assert app.env["A"] == Secret("abc")
    assert app.env["B"] == "x-abc"
    assert isinstance(app.env["C"], Secret)


def test_password_is_encoded_where_it_stands_in_a_url(load_factory: LoadFactory) -> None:
    stack = load_factory(
        "[apps.a]\ncommand='x'\nenv={ URL='${database.url}', RAW='${POSTGRES_PASSWORD}' }\n",
        environ={"POSTGRES_PASSWORD": "p@s/s:w%d"},
    ).stack
    url, raw = stack.apps[0].env["URL"], stack.apps[0].env["RAW"]
    assert isinstance(url, Secret)
    assert isinstance(raw, Secret)
    assert url.reveal() == "postgresql://postgres:p%40s%2Fs%3Aw%25d@127.0.0.1:54322/postgres"
    assert raw.reveal() == "p@s/s:w%d"


def test_undefined_variable_names_the_files_searched(
    load_factory: LoadFactory, tmp_path: Path
) -> None:
    finding = _only(load_factory("[apps.a]\ncommand='run --key ${NOPE} now'\n"))
    assert finding.code == "GV150"
    assert (finding.position.line, finding.position.column, finding.length) == (4, 20, 7)
    assert str(tmp_path / ".env.dev.local") in finding.why


def test_sql_keeps_its_dollars(load_factory: LoadFactory) -> None:
    (entry,) = load_factory(
        "[cron.c]\nschedule='* * * * *'\nsql='do $$ begin end $$ -- ${NOPE}'\n"
    ).stack.cron
    assert entry.sql == "do $$ begin end $$ -- ${NOPE}"


def test_protected_profile_reads_only_its_own_file(
    load_factory: LoadFactory, tmp_path: Path
) -> None:
    for name in (".env", ".env.local", ".env.prod", ".env.prod.local"):
        (tmp_path / name).write_text(f"{name.replace('.', '_').upper()}=1\nWHO={name}\n")
        (tmp_path / name).chmod(0o600)
    stack = load_factory(profile="prod").stack
    assert dict(stack.env) == {"_ENV_PROD": "1", "WHO": ".env.prod"}
    (tmp_path / ".env.prod").chmod(0o644)
    assert _codes(load_factory(profile="prod")) == ["GV611"]


def test_seed_globs_are_expanded_in_order(load_factory: LoadFactory, tmp_path: Path) -> None:
    for name in ("b.sql", "a.sql", "c.txt"):
        (tmp_path / name).touch()
    seed = load_factory("[database.seed]\nfiles=['c.txt', '*.sql']\n").stack.database.seed
    assert [file.name for file in seed.files] == ["c.txt", "a.sql", "b.sql"]


def test_a_site_may_carry_a_key_that_browsers_are_given(
    load_factory: LoadFactory, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("VITE_MAPS_API_KEY=abc\nOTHER_TOKEN=t\n")
    site = "[sites.a]\nenv = { VITE_MAPS_API_KEY = '%s' }\n"
    loaded = load_factory(site % "${VITE_MAPS_API_KEY}")
    assert loaded.findings == ()
    assert loaded.stack.sites[0].env == {"VITE_MAPS_API_KEY": "abc"}


def test_a_site_may_not_carry_a_secret_under_a_public_name(
    load_factory: LoadFactory, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("OTHER_TOKEN=t\n")
    for written in ("${OTHER_TOKEN}", "secret://OTHER_TOKEN", "${database.url}"):
        loaded = load_factory(f"[sites.a]\nenv = {{ VITE_MAPS_API_KEY = '{written}' }}\n")
        assert _codes(loaded) == ["GV152"]


def test_stack_does_not_print_its_variables(load_factory: LoadFactory) -> None:
    stack = load_factory(environ={"SOME_VALUE": "hunter2"}).stack
    assert "hunter2" not in repr(stack)


def test_warnings_do_not_stop_a_stack(load_factory: LoadFactory, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nA=2\nB=3 \n")
    loaded = load_factory()
    assert [(f.code, f.level) for f in loaded.findings] == [
        ("GV171", Level.WARNING),
        ("GV172", Level.WARNING),
    ]
    assert "line 1 and line 2" in loaded.findings[0].message
    assert loaded.errors == ()


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(GavanError, match=r"no stack file .*other\.toml"):
        load(tmp_path / "other.toml", environ={})
