"""A function call: its arguments, its transaction and the tree read from its result."""

from __future__ import annotations

from gavan.core.rest.errors import max_affected_on_single
from gavan.core.rest.parse.body import FORM, Payload
from gavan.core.rest.plan.model import (
    Arguments,
    BodyArguments,
    BodyRows,
    CallPlan,
    Group,
    NamedArguments,
    ReadNode,
    Target,
    Test,
    Where,
    WholeBody,
)
from gavan.core.rest.plan.negotiate import ARRAY
from gavan.core.rest.plan.read import needed_columns
from gavan.core.rest.plan.routine import find_routine
from gavan.core.rest.request import ApiRequest
from gavan.core.rest.schema_cache import Name, Parameter, Routine, SchemaCache

VOLATILE = "v"


def routine_of(request: ApiRequest, payload: Payload | None, cache: SchemaCache) -> Routine:
    """Return the function that the request calls; raise PGRST202 or PGRST203."""
    keys = payload.keys if payload else tuple(name for name, _ in request.params.arguments)
    posted = request.content_type if payload else None
    return find_routine(cache, Name(request.schema, request.target), keys, posted)


def plan_call(
    request: ApiRequest, payload: Payload | None, routine: Routine, node: ReadNode
) -> CallPlan:
    """Return the plan, its format and count still open."""
    return CallPlan(
        function=routine.name,
        arguments=_arguments(request, payload, routine),
        returns=routine.returns,
        returns_set=routine.returns_set,
        node=node,
        returning=_returning(node),
        format=ARRAY,
        count=None,
        head=request.method == "HEAD",
        read_only=payload is None or routine.volatility != VOLATILE,
        isolation=routine.isolation,
        settings=routine.settings,
    )


def check_max_affected(request: ApiRequest, routine: Routine) -> None:
    """Raise PGRST128 for a function whose rows cannot be counted."""
    prefer = request.prefer
    if prefer.strict and prefer.max_affected is not None and not routine.returns_set:
        raise max_affected_on_single()


def _arguments(request: ApiRequest, payload: Payload | None, routine: Routine) -> Arguments:
    parameters = routine.parameters
    if payload is None:
        return _named(request.params.arguments, routine)
    if len(parameters) == 1 and not parameters[0].name:
        return WholeBody(raw=payload.raw, type=parameters[0].type)
    if request.content_type.name == FORM:
        return _named(payload.pairs, routine)
    given = tuple(item for item in parameters if item.name in payload.keys)
    targets = tuple(Target(item.name, item.type) for item in given)
    body = BodyRows(raw=payload.raw, is_array=payload.is_array, targets=targets)
    return BodyArguments(body=body, parameters=given)


def _named(pairs: tuple[tuple[str, str], ...], routine: Routine) -> NamedArguments:
    found: list[tuple[Parameter, str | tuple[str, ...]]] = []
    for parameter in routine.parameters:
        values = [value for name, value in pairs if name == parameter.name]
        if values:
            # Repeated names feed a VARIADIC parameter; of any other the last one counts.
            found.append((parameter, tuple(values) if parameter.variadic else values[-1]))
    return NamedArguments(values=tuple(found))


def _returning(node: ReadNode) -> tuple[str, ...]:
    """Return what to take from the function: also columns that only filters or orders name."""
    columns = needed_columns(node)
    if columns == ("*",):
        return columns
    names = [*columns, *(sort.ref.name for sort in node.order if sort.join is None)]
    for where in node.where:
        names += _tested(where)
    return tuple(dict.fromkeys(names))


def _tested(where: Where) -> list[str]:
    if isinstance(where, Test):
        return [where.ref.name]
    if isinstance(where, Group):
        return [name for child in where.children for name in _tested(child)]
    return []


def allowed_methods(routine: Routine) -> str:
    """Return the value of ``Allow``."""
    return "OPTIONS,POST" if routine.volatility == VOLATILE else "OPTIONS,GET,HEAD,POST"
