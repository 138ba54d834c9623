"""`gavan migrate` and both majors of the supabase CLI on one database, in any order.

Hypothesis draws who does what next. A model says what history and schema must be after every step,
and what each tool must refuse: the tools themselves are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gavan.database.migration.apply import migrate, status
from gavan.database.migration.parsed import Direction
from gavan.database.migration.plan import State
from gavan.database.migration.repair import repair
from gavan.database.migration.run import Options
from gavan.database.migration.split import split
from gavan.database.migration.take_back import plan_down, take_back
from gavan.kit.errors import GavanError
from tests.clients.supabase_project import MAJORS, Project, listed
from tests.conftest import Database

# A step of the CLI takes most of a second: about sixty of them.
EXAMPLES, STEPS = 6, 14
OURS = "gavan"
TOOLS = st.sampled_from((OURS, *MAJORS))
BAD = "create table if not exists t{v} (never int);\nselect 1/0;"
BODIES = (
    "-- {v}\r\ncreate table if not exists t{v} (c0 int);\r\n-- end\r\n",
    "/* a; /* b; */ */ create table if not exists t{v} (c1 int default 1);;\n"
    "comment on table t{v} is $$x;''y$$",
    "begin;\ncreate table if not exists t{v} (c2 text);\ncommit;\n",
    "create table if not exists t{v} (c3 int);\n"
    "create index concurrently if not exists i{v} on t{v} ((1));\n",
    BAD,
)
BODY = st.sampled_from(BODIES)
COLUMNS = (
    "select c.relname, a.attname from pg_class as c join pg_attribute as a on a.attrelid = c.oid"
    " where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0"
)


class InTurn(RuleBasedStateMachine):
    """The model: ``files`` and ``history`` are version -> body, ``tables`` what was created."""

    def __init__(self, folder: Path, node: str, database: Callable[[], Database]) -> None:
        super().__init__()
        self.project = Project(folder, database(), node, MAJORS[0])
        self.folder = self.project.folder
        (self.folder / "down").mkdir(parents=True)
        self.files: dict[str, str] = {}
        self.history: dict[str, str] = {}
        self.away: dict[str, str] = {}
        self.tables: dict[str, str] = {}

    @initialize(bodies=st.lists(BODY, min_size=1, max_size=3))
    def begin(self, bodies: list[str]) -> None:
        for body in bodies:
            self.new(body, late=False)

    @rule(body=BODY, late=st.sampled_from([False, False, False, True]))
    def new(self, body: str, late: bool) -> None:
        """Write a migration: the newest, or one that a branch brings in between."""
        known = sorted({*self.files, *self.history, *self.away})
        version = f"{int(known[-1]) + 10:03}" if known else "010"
        if late and known:
            version = f"{int(known[-1]) - 5:03}"
        if version not in known:
            self._write(version, body)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), body=BODY)
    def edit(self, data: st.DataObject, body: str) -> None:
        self._write(data.draw(st.sampled_from(sorted(self.files))), body)

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """Go to a branch without the file."""
        version = data.draw(st.sampled_from(sorted(self.files)))
        self._path(version).unlink()
        self.away[version] = self.files.pop(version)

    @precondition(lambda self: self.away)
    @rule()
    def come_back(self) -> None:
        for version, body in list(self.away.items()):
            self._write(version, body)
        self.away.clear()

    @rule(tool=TOOLS, include_all=st.booleans())
    def apply(self, tool: str, include_all: bool) -> None:
        done = self._up(include_all) if tool == OURS else self._push(tool, include_all)
        assert done is self._must_apply(tool, include_all)

    @rule()
    def up(self) -> None:
        self.apply(OURS, include_all=False)

    @precondition(lambda self: self.history)
    @rule()
    def down(self) -> None:
        """Take back the newest: only we can, the CLI would replay everything."""
        version = max(self.history)
        plan = plan_down(self.project.url, self.folder, count=1)
        assert take_back(self.project.url, plan, Options()) == [version]
        del self.history[version]
        self.tables.pop(version, None)

    @precondition(lambda self: self.files or self.history)
    @rule(tool=TOOLS, data=st.data())
    def mark(self, tool: str, data: st.DataObject) -> None:
        """Repair: say that a file was applied, or that it was not; nothing is run."""
        version = data.draw(st.sampled_from(sorted({*self.files, *self.history})))
        applied = version in self.files and data.draw(st.booleans())
        if tool == OURS and not applied and version not in self.history:
            return
        self._repair(tool, version, applied)
        if applied:
            self.history[version] = self.files[version]
        else:
            self.history.pop(version, None)

    @rule(major=st.sampled_from(MAJORS))
    def look(self, major: str) -> None:
        """Both list the same versions, here and there."""
        done = self.project.with_major(major).supabase("migration", "list")
        assert done.returncode == 0, done.stderr
        wanted = {
            version: (version in self.files, version in self.history)
            for version in {*self.files, *self.history}
        }
        assert listed(done.stdout) == wanted
        found = {entry.version: entry.state for entry in status(self.project.url, self.folder)}
        # A version that repair wrote and nothing made is hollow: applied, for the history.
        found = {v: State.APPLIED if s is State.HOLLOW else s for v, s in found.items()}
        assert found == {version: self._state(version) for version in wanted}

    @invariant()
    def history_and_schema_are_those_of_the_model(self) -> None:
        with self.project.database.connect() as connection:
            made = connection.execute(COLUMNS.encode()).fetchall()
        assert {table: column for table, column in made} == {
            f"t{version}": f"c{BODIES.index(body)}" for version, body in self.tables.items()
        }
        assert self.project.history() == [
            (version, f"step_{version}", self._statements(version))
            for version in sorted(self.history)
        ]

    def _write(self, version: str, body: str) -> None:
        self.files[version] = body
        data = body.format(v=version).encode()
        self._path(version).write_bytes(data)
        down = f"drop table if exists t{version};"
        (self.folder / "down" / self._path(version).name).write_text(down)

    def _path(self, version: str) -> Path:
        return self.folder / f"{version}_step_{version}.sql"

    def _statements(self, version: str) -> list[str]:
        return [one.text for one in split(self.history[version].format(v=version))]

    def _state(self, version: str) -> State:
        if version not in self.files:
            return State.MISSING
        if version not in self.history:
            return State.OUT_OF_ORDER if version < max(self.history, default="") else State.PENDING
        return State.APPLIED if self.files[version] == self.history[version] else State.CHANGED

    def _must_apply(self, tool: str, include_all: bool) -> bool:
        """Bring the model to where the tool must end; tell whether it must succeed."""
        states = {version: self._state(version) for version in {*self.files, *self.history}}
        stops = {State.MISSING} if include_all else {State.MISSING, State.OUT_OF_ORDER}
        # The CLI never looks at the text of what is applied.
        stops |= {State.CHANGED} if tool == OURS else set()
        if stops & set(states.values()):
            return False
        for version in sorted(self.files.keys() - self.history.keys()):
            body = self.files[version]
            if body == BAD:
                return False
            self.history[version] = body
            self.tables.setdefault(version, body)
        return True

    def _up(self, include_all: bool) -> bool:
        order = "include-all" if include_all else "strict"
        try:
            migrate(self.project.url, self.folder, Options(order=order))
        except GavanError:
            return False
        return True

    def _push(self, major: str, include_all: bool) -> bool:
        flags = ["--include-all"] if include_all else []
        done = self.project.with_major(major).supabase("db", "push", "--yes", *flags)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 0

    def _repair(self, tool: str, version: str, applied: bool) -> None:
        if tool == OURS:
            direction = Direction.UP if applied else Direction.DOWN
            repair(self.project.url, self.folder, [version], direction, Options())
            return
        word = "applied" if applied else "reverted"
        cli = self.project.with_major(tool)
        done = cli.supabase("migration", "repair", version, "--status", word, "--yes")
        assert done.returncode == 0, done.stderr


def test_any_interleaving_of_the_tools_leads_to_one_history_and_one_schema(
    cli_node: str, tmp_path: Path, database_factory: Callable[[], Database]
) -> None:
    folders = (tmp_path / str(number) for number in range(1, 1000))
    run_state_machine_as_test(
        # It takes a factory too, and says so in its own documentation only.
        lambda: InTurn(next(folders), cli_node, database_factory),  # type: ignore[arg-type]
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            # To make a failing example small would take minutes: it is short enough to read.
            phases=[Phase.generate],
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
