"""Which function a call means: by the set of argument names, never by type."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gavan.core.rest.errors import RestError
from gavan.core.rest.parse.accept import MediaType
from gavan.core.rest.parse.body import JSON, RAW_ARGUMENTS
from gavan.core.rest.schema_cache import Name, Routine, SchemaCache
from gavan.core.rest.suggest import closest


def find_routine(
    cache: SchemaCache, name: Name, keys: Collection[str], posted: MediaType | None
) -> Routine:
    """Return the one function; raise PGRST202 or PGRST203.

    Args:
        keys: names of the arguments given.
        posted: content type of a POST, None for GET.
    """
    overloads = cache.routines.get(name, ())
    given = frozenset(keys)
    matching = [routine for routine in overloads if _accepts(routine, given, posted)]
    matching = matching or [routine for routine in overloads if _takes_body(routine, posted)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise _ambiguous(matching)
    raise _not_found(cache, name, sorted(given), posted)


def _accepts(routine: Routine, given: frozenset[str], posted: MediaType | None) -> bool:
    if not routine.parameters:
        return not given and not (posted is not None and posted.name in RAW_ARGUMENTS)
    every = {parameter.name for parameter in routine.parameters}
    required = {parameter.name for parameter in routine.parameters if parameter.required}
    return required <= given <= every


def _takes_body(routine: Routine, posted: MediaType | None) -> bool:
    if posted is None or len(routine.parameters) != 1 or routine.parameters[0].name:
        return False
    wanted = routine.parameters[0].type
    if posted.name == JSON:
        return wanted in {"json", "jsonb"}
    return RAW_ARGUMENTS.get(posted.name) == wanted


def _ambiguous(found: Sequence[Routine]) -> RestError:
    shown = ", ".join(
        f"{routine.name.schema}.{routine.name.name}("
        + ", ".join(f"{p.name} => {p.type}" for p in routine.parameters)
        + ")"
        for routine in found
    )
    return RestError(
        "PGRST203",
        f"Could not choose the best candidate function between: {shown}",
        status=300,
        hint=(
            "Try renaming the parameters or the function itself in the database so function"
            " overloading can be resolved"
        ),
    )


def _not_found(
    cache: SchemaCache, name: Name, given: Sequence[str], posted: MediaType | None
) -> RestError:
    shown = f"{name.schema}.{name.name}"
    raw = RAW_ARGUMENTS.get(posted.name) if posted is not None else None
    if raw is not None:
        message, searched = shown, f" with a single unnamed {raw} parameter"
    else:
        listed = ", ".join(given)
        plural = "s" if len(given) > 1 else ""
        message = f"{shown}({listed})" if given else f"{shown} without parameters"
        searched = f" with parameter{plural} {listed}" if given else " without parameters"
        if posted is not None and posted.name == JSON:
            searched += " or with a single unnamed json/jsonb parameter"
    return RestError(
        "PGRST202",
        f"Could not find the function {message} in the schema cache",
        status=404,
        details=(
            f"Searched for the function {shown}{searched},"
            " but no matches were found in the schema cache."
        ),
        hint=None if raw is not None else _hint(cache, name, given),
    )


def _hint(cache: SchemaCache, name: Name, given: Sequence[str]) -> str | None:
    overloads = cache.routines.get(name)
    if overloads:
        lists = {_listed(p.name for p in routine.parameters) for routine in overloads}
        found = closest(_listed(given), lists, 0.33)
        suggestion = f"{name.name}{found}" if found else None
    else:
        names = {known.name for known in cache.routines if known.schema == name.schema}
        suggestion = closest(name.name, names, 0.75)
    if suggestion is None:
        return None
    return f"Perhaps you meant to call the function {name.schema}.{suggestion}"


def _listed(names: Iterable[str]) -> str:
    return f"({', '.join(sorted(names))})"
