"""What holds for all rules: exceptions, levels, the files around, mistakes of syntax."""

from __future__ import annotations

from pathlib import Path

from gavan.database.lint.run import Rules, Sources, lint_files
from gavan.stack.findings import Finding, Level
from gavan.stack.load import load
from gavan.stack.schema.lint import MIGRATIONS_LINT

LEVELS = {key.name: str(key.default) for key in MIGRATIONS_LINT.keys}
ROOT = Path(__file__).parents[4]


def found(folder: Path, *texts: str, **levels: str) -> tuple[Finding, ...]:
    ups = [folder / f"{number:03}_x.sql" for number in range(len(texts))]
    for path, text in zip(ups, texts, strict=True):
        path.write_text(text)
    return lint_files(Sources(ups=ups), Rules(levels=LEVELS | levels, exposed=("public",)))


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


def test_an_exception_on_the_first_line_holds_for_the_file(tmp_path: Path) -> None:
    sql = "create index a on public.t (a);\ncreate index b on public.t (b);\n"
    assert codes(found(tmp_path, sql)) == ["GV353", "GV353"]
    assert found(tmp_path, f"-- gavan: allow=GV353(ten rows)\n{sql}") == ()


def test_an_exception_holds_for_its_statement_alone(tmp_path: Path) -> None:
    sql = (
        "-- Two indexes.\n-- gavan: allow=GV353(ten rows)\ncreate index a on public.t (a);\n"
        "create index b on public.t (b);\n"
        "create index c on public.t (c); -- gavan: allow=GV353(ten rows)\n"
    )
    assert [finding.position.line for finding in found(tmp_path, sql)] == [4]


def test_an_exception_without_a_reason_excuses_nothing(tmp_path: Path) -> None:
    sql = "-- x\n-- gavan: allow=GV353\ncreate index a on public.t (a);\n"
    assert codes(found(tmp_path, sql)) == ["GV372", "GV353"]


def test_levels_of_the_stack_file_decide(tmp_path: Path) -> None:
    sql = "create index a on public.t (a);\n"
    assert [finding.level for finding in found(tmp_path, sql, GV353="warn")] == [Level.WARNING]
    assert found(tmp_path, sql, GV353="off") == ()


def test_later_files_count_for_what_a_table_has(tmp_path: Path) -> None:
    table = "create table public.t (id uuid primary key);\n"
    assert codes(found(tmp_path, table)) == ["GV363"]
    assert found(tmp_path, table, "alter table public.t enable row level security;\n") == ()


def test_a_table_is_in_use_for_every_file_but_its_own(tmp_path: Path) -> None:
    table = "create table public.t (id uuid primary key, a int);\n"
    secure = "alter table public.t enable row level security;\n"
    index = "create index a on public.t (a);\n"
    assert found(tmp_path, table + secure + index) == ()
    assert codes(found(tmp_path, table + secure, index)) == ["GV353"]


def test_a_changed_table_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    sql = "alter table public.t add column a int;\ncreate index a on public.t (a);\n"
    assert codes(found(tmp_path, sql)) == ["GV353"]


def test_all_reserved_words_of_a_file_are_found_in_one_run(tmp_path: Path) -> None:
    sql = "-- é\ncreate table user (id int primary key);\ninsert into order values (1);\n"
    findings = [one for one in found(tmp_path, sql) if one.code == "GV361"]
    assert [(one.position.line, one.position.column) for one in findings] == [(2, 14), (3, 13)]
    assert findings[0].mend == 'create table "user" (id int primary key);'
    secured = [one for one in found(tmp_path, sql) if one.code == "GV363"]
    assert [one.mend.split(";")[0] for one in secured] == [
        'alter table "public"."user" enable row level security'
    ]


def test_a_file_that_does_not_parse_is_judged_up_to_there(tmp_path: Path) -> None:
    sql = "create index a on public.t (a);\nselect 1 1;\ndrop table public.t;\n"
    findings = found(tmp_path, sql)
    assert [(one.code, one.position.line) for one in findings] == [("GV353", 1), ("GV311", 2)]


def test_psql_commands_hide_nothing_behind_them(tmp_path: Path) -> None:
    assert codes(found(tmp_path, "\\set x 1\ndrop table public.t;\n")) == ["GV307", "GV350"]


def test_files_that_would_be_skipped_are_named(tmp_path: Path) -> None:
    path = tmp_path / "add_activity_logs.sql"
    path.write_text("select 1;")
    rules = Rules(levels=LEVELS, exposed=("public",))
    (finding,) = lint_files(Sources(ups=[path]), rules)
    assert finding.code == "GV302"
    assert finding.mend.endswith("_add_activity_logs.sql, or: gavan migrate adopt")


def test_a_mysql_index_is_mended_by_its_line(tmp_path: Path) -> None:
    sql = "create table public.logs (id uuid primary key, at int, index logs_at (at, id));\n"
    mends = [one.mend for one in found(tmp_path, sql) if one.code == "GV362"]
    assert mends == ['after the table: create index "logs_at" on "public"."logs" ("at", "id");']


def test_levels_are_read_from_the_stack_file_and_default_to_the_schema(tmp_path: Path) -> None:
    file = tmp_path / "gavan.toml"
    file.write_text('[stack]\nname = "x"\n[database.migrations.lint]\nGV366 = "off"\n')
    levels = load(file, environ={}).stack.database.migrations.lint
    assert levels["GV366"] == "off"
    assert levels["GV350"] == "error"


def test_an_unknown_rule_in_the_stack_file_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "gavan.toml"
    file.write_text('[stack]\nname = "x"\n[database.migrations.lint]\nGV399 = "off"\n')
    assert [finding.code for finding in load(file, environ={}).findings] == ["GV101"]


def test_the_stacks_pass_their_own_lint() -> None:
    files = sorted(ROOT.glob("stacks/*/gavan.toml"))
    assert files
    for file in files:
        stack = load(file, environ={}).stack
        folder = stack.database.migrations.dir
        sources = Sources(
            ups=sorted(folder.glob("*.sql")),
            downs=sorted((folder / "down").glob("*.sql")),
            seeds=[*stack.database.seed.files, *stack.database.seed.mock],
        )
        rules = Rules(levels=stack.database.migrations.lint, exposed=stack.core.schemas)
        assert sources.ups
        assert lint_files(sources, rules) == ()


def test_a_unique_key_of_mysql_and_a_byte_order_mark_hide_nothing(tmp_path: Path) -> None:
    sql = "\ufeffcreate table public.t (\n  id int primary key,\n  unique key t_id (id)\n);\n"
    findings = found(tmp_path, sql)
    assert codes(findings) == ["GV306", "GV363", "GV362"]
    assert findings[2].mend == 'constraint "t_id" unique (id)'


def test_names_outside_ascii_keep_their_letters_and_places(tmp_path: Path) -> None:
    sql = '-- Доска\ncreate table "Доска" (id int primary key, "срок" timestamp);\n'
    one, two = found(tmp_path, sql)
    assert one.mend.startswith('alter table "public"."Доска" enable')
    assert (two.code, two.position.line, two.position.column) == ("GV366", 2, 50)
    assert two.mend == '"срок" timestamptz'
