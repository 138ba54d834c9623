"""The door of the sql stage: a plan in, its one statement out."""

from __future__ import annotations

from gavan.core.rest.plan.model import CallPlan, MutatePlan, ReadPlan
from gavan.core.rest.sql.answer import NO_BODY, PAGE, answer, body_of, explained
from gavan.core.rest.sql.call import call_statement
from gavan.core.rest.sql.count import planned, total
from gavan.core.rest.sql.fragments import Params
from gavan.core.rest.sql.mutate import mutate_statement
from gavan.core.rest.sql.read import select_tree
from gavan.database.session import Statement


def write_statement(plan: ReadPlan | MutatePlan | CallPlan) -> Statement:
    """Return the statement; its one row follows ``answer.COLUMNS`` unless it is explained.

    Where the planner's count of rows is wanted, the statement that asks for it follows.
    """
    match plan:
        case ReadPlan():
            return _read(plan)
        case MutatePlan():
            return mutate_statement(plan)
        case CallPlan():
            return call_statement(plan)


def _read(plan: ReadPlan) -> Statement:
    params = Params()
    inner = select_tree(plan.node, params)
    body = NO_BODY if plan.head and plan.format.explain is None else body_of(plan.format)
    text = answer(inner, body, total=total(plan.node, plan.count, PAGE, params))
    if plan.format.explain is not None:
        return params.statement(explained(plan.format.explain, text))
    estimates = plan.count is not None and plan.count.kind != "exact"
    return params.statement(text, planned(plan.node) if estimates else None)
