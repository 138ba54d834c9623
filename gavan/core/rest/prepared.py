"""Remember what a request became: applications ask the same few questions over and over.

A request is remembered by its shape, with the places where its values stood. The memory belongs to
one snapshot and goes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import quote

from gavan.core.rest.config import RestConfig
from gavan.core.rest.errors import Header, RestError
from gavan.core.rest.execute import Transaction
from gavan.core.rest.plan.build import Snapshot
from gavan.core.rest.plan.model import Body, CallPlan, MutatePlan, ReadPlan
from gavan.core.rest.prepared_headers import applied_headers, content_headers
from gavan.core.rest.request import Action, ApiRequest
from gavan.core.rest.result import Check, check_put, check_singular, max_affected
from gavan.core.rest.shape import BODY_MARK, Key, Question, cut, marked
from gavan.core.rest.sql.statement import write_statement
from gavan.database.session import Rows, Statement

MAX_ENTRIES = 512
PATH_SAFE = "$;!'()*,@:=+&"

StatementPlan = ReadPlan | MutatePlan | CallPlan
Slots = tuple[tuple[int, int], ...]
"""Pairs of (place of a parameter, number of the value that stands there)"""
Rebuild = Callable[[bytes, bytes], object]
"""Builds from another query string and another body"""


@dataclass(slots=True)
class Prepared:
    """A request with everything that does not depend on who asks."""

    request: ApiRequest
    plan: StatementPlan
    transaction: Transaction
    check: Check | None
    statement: Statement
    location: str
    """Path and canonical query string, for ``Content-Location``"""
    content: tuple[Header, ...]
    applied: tuple[Header, ...]


def prepare(request: ApiRequest, plan: StatementPlan, config: RestConfig) -> Prepared:
    """Return what is run for a plan, and how."""
    query = request.params.canonical
    return Prepared(
        request,
        plan,
        _transaction(plan, request, config),
        _check(plan, request),
        write_statement(plan),
        f"/{quote(request.target, safe=PATH_SAFE)}" + (f"?{query}" if query else ""),
        content_headers(request, plan.format.content_type, config),
        applied_headers(request, plan, config),
    )


@dataclass(frozen=True, slots=True)
class Template:
    """A prepared request that any values of its shape fit into."""

    prepared: Prepared
    slots: tuple[Slots, ...]
    """Of the statement and of the one that follows it"""
    location: tuple[str | int, ...]
    """Texts, and numbers of values"""

    def fill(self, question: Question) -> Prepared:
        """Return the prepared request of a question of the same shape."""
        known = self.prepared
        if not question.bound:
            return known
        shown = question.shown
        return Prepared(
            known.request,
            known.plan,
            known.transaction,
            known.check,
            _filled(known.statement, self.slots, question.bound),
            "".join([shown[part] if isinstance(part, int) else part for part in self.location]),
            known.content,
            known.applied,
        )


def _filled(statement: Statement, slots: tuple[Slots, ...], values: list[bytes]) -> Statement:
    params = list(statement.params)
    for place, number in slots[0]:
        params[place] = values[number]
    then = statement.then
    if then is not None:
        then = _filled(then, slots[1:], values)
    return Statement(text=statement.text, params=tuple(params), then=then)


def _template(prepared: Prepared, marks: list[bytes], question: Question) -> Template | None:
    """Return the template of a request made of marks, None unless each mark became a parameter."""
    slots: list[Slots] = []
    statement: Statement | None = prepared.statement
    while statement is not None:
        slots.append(
            tuple(
                (place, marks.index(value))
                for place, value in enumerate(statement.params)
                if value is not None and value in marks
            )
        )
        statement = statement.then
    if not set(range(len(question.places))) <= {number for _, number in slots[0]}:
        return None
    return Template(prepared, tuple(slots), cut(prepared.location))


class _Unfit(Enum):
    """Shapes without a template: met only once so far, or whose values decide more than values."""

    SEEN = auto()
    NEVER = auto()


Entry = Template | ApiRequest | _Unfit


class Memory:
    """The most recently used shapes of the current snapshot.

    Holds templates and, of requests with a body, what tells how to read the body.
    """

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._entries: dict[Key, Entry] = {}

    def find(self, snapshot: Snapshot, question: Question | None) -> Entry | None:
        """Return what is known; a new snapshot knows nothing."""
        if snapshot is not self._snapshot:
            self._snapshot, self._entries = snapshot, {}
        if question is None:
            return None
        found = self._entries.pop(question.key, None)
        if found is not None:
            self._entries[question.key] = found  # dicts keep order: the last used stands last
        return found

    def keep(self, snapshot: Snapshot, question: Question | None, entry: Entry) -> None:
        """Remember one more, forgetting the least recently used."""
        if question is None or snapshot is not self._snapshot:
            return
        self._entries[question.key] = entry
        if len(self._entries) > MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]

    def learn(
        self, snapshot: Snapshot, question: Question | None, prepared: Prepared, again: Rebuild
    ) -> None:
        """Remember a prepared request; a shape with values when it is met for the second time.

        Args:
            again: builds the same with marks for values; what fits there fits everywhere.
        """
        if question is None:
            return
        known = self._entries.get(question.key)
        if not question.bound:
            self.keep(snapshot, question, Template(prepared, (), ()))
        elif known is None:
            self.keep(snapshot, question, _Unfit.SEEN)
        elif known is _Unfit.SEEN:
            template = _learned(question, prepared, again)
            self.keep(snapshot, question, template or _Unfit.NEVER)


def _learned(question: Question, prepared: Prepared, again: Rebuild) -> Template | None:
    query, marks = marked(question)
    try:
        built = again(query, BODY_MARK)
    except RestError:
        return None
    template = _template(built, marks, question) if isinstance(built, Prepared) else None
    if template is None:
        return None
    filled = template.fill(question)
    is_same = (filled.statement, filled.location) == (prepared.statement, prepared.location)
    return template if is_same else None


def _transaction(plan: StatementPlan, request: ApiRequest, config: RestConfig) -> Transaction:
    rollback = config.rolls_back(request.prefer.tx)
    if isinstance(plan, CallPlan):
        return Transaction(
            read_only=plan.read_only,
            isolation=plan.isolation,
            rollback=rollback and not plan.read_only,
            settings=plan.settings,
        )
    reads = isinstance(plan, ReadPlan)
    return Transaction(read_only=reads, rollback=rollback and not reads)


def _check(plan: StatementPlan, request: ApiRequest) -> Check | None:
    """Return what must hold before COMMIT."""
    if plan.format.explain is not None:
        return None
    if request.action is Action.UPSERT:
        return check_put
    checks: list[Check] = []
    returns_one = isinstance(plan, CallPlan) and not plan.returns_set
    if plan.format.body is Body.OBJECT and not returns_one:
        checks.append(check_singular)
    limit = request.prefer.max_affected
    bounded = request.action in {Action.UPDATE, Action.DELETE, Action.CALL}
    if request.prefer.strict and limit is not None and bounded:
        checks.append(max_affected(limit))
    if not checks:
        return None

    def every(rows: Rows) -> None:
        for check in checks:
            check(rows)

    return every
