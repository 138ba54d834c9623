"""The codes of the data API and their one wire shape: code, message, details, hint.

Every stage raises RestError through the functions here; the handler turns it into a response.
Texts are compared by clients (PostgREST 14, contract section 7): change them only with a test.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from gavan.kit.errors import GavanError

Header = tuple[bytes, bytes]
JSON_TYPE = b"application/json; charset=utf-8"


class RestError(GavanError):
    """A failed request of the data API.

    Args:
        code: PGRSTnnn, or the SQLSTATE of a database error.
        details: text, or a list of objects (PGRST201 only).
        headers: extra response headers.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int,
        details: object = None,
        hint: str | None = None,
        headers: Sequence[Header] = (),
    ) -> None:
        text = details if isinstance(details, str) else None
        super().__init__(code, message, details=text, hint=hint, status=status)
        self.wire_details = details
        self.headers = tuple(headers)

    def body(self, *, brief: bool = False) -> bytes:
        """Return the JSON body; all four keys are always present, or code and message alone."""
        if brief:
            return orjson.dumps({"code": self.code, "message": self.message})
        return orjson.dumps(
            {
                "code": self.code,
                "details": self.wire_details,
                "hint": self.hint,
                "message": self.message,
            }
        )


def parse_error(what: str, text: str, column: int, details: str) -> RestError:
    """PGRST100: a part of the query string that does not follow the grammar."""
    message = f'"failed to parse {what} ({text})" (line 1, column {column})'
    return RestError("PGRST100", message, status=400, details=details)


def rpc_method_not_allowed(method: str) -> RestError:
    """PGRST101."""
    return RestError("PGRST101", f"Cannot use the {method} method on RPC", status=405)


def invalid_body(message: str) -> RestError:
    """PGRST102: body or content type that cannot be used."""
    return RestError("PGRST102", message, status=400)


def invalid_range(details: str, *, headers: Sequence[Header] = ()) -> RestError:
    """PGRST103."""
    message = "Requested range not satisfiable"
    return RestError("PGRST103", message, status=416, details=details, headers=headers)


def offset_out_of_bounds(offset: int, total: int) -> RestError:
    """PGRST103 after execution: the only error that carries Content-Range."""
    return invalid_range(
        f"An offset of {offset} was requested, but there are only {total} rows.",
        headers=((b"content-range", b"*/%d" % total),),
    )


def invalid_put_filters() -> RestError:
    """PGRST105."""
    message = "Filters must include all and only primary key columns with 'eq' operators"
    return RestError("PGRST105", message, status=405)


def unknown_schema(schema: str, exposed: Sequence[str]) -> RestError:
    """PGRST106."""
    hint = f"Only the following schemas are exposed: {', '.join(exposed)}"
    return RestError("PGRST106", f"Invalid schema: {schema}", status=406, hint=hint)


def no_media_type(accepted: Sequence[str]) -> RestError:
    """PGRST107."""
    message = f"None of these media types are available: {', '.join(accepted)}"
    return RestError("PGRST107", message, status=406)


def not_embedded(name: str, alias: str | None = None) -> RestError:
    """PGRST108; ``alias`` is what the embed of that relation has to be called."""
    details, hint = None, f"Verify that '{name}' is included in the 'select' query parameter."
    if alias is not None:
        details = "Target names are not allowed in filters if they have an alias"
        hint = f"Change '{name}' to '{alias}' in filters, orders or limits."
    message = f"'{name}' is not an embedded resource in this request"
    return RestError("PGRST108", message, status=400, details=details, hint=hint)


def bad_headers_guc() -> RestError:
    """PGRST111."""
    message = (
        "response.headers guc must be a JSON array composed of objects with a single key and"
        " a string value"
    )
    return RestError("PGRST111", message, status=500)


def bad_status_guc() -> RestError:
    """PGRST112."""
    return RestError("PGRST112", "response.status guc must be a valid status code", status=500)


def put_with_range() -> RestError:
    """PGRST114."""
    message = "limit/offset querystring parameters are not allowed for PUT"
    return RestError("PGRST114", message, status=400)


def put_key_mismatch() -> RestError:
    """PGRST115."""
    message = "Payload values do not match URL in primary key column(s)"
    return RestError("PGRST115", message, status=400)


def not_singular(rows: int) -> RestError:
    """PGRST116."""
    message = "Cannot coerce the result to a single JSON object"
    return RestError("PGRST116", message, status=406, details=f"The result contains {rows} rows")


def method_not_allowed(method: str) -> RestError:
    """PGRST117."""
    return RestError("PGRST117", f"Unsupported HTTP method: {method}", status=405)


def related_order_not_to_one(origin: str, target: str) -> RestError:
    """PGRST118."""
    return RestError(
        "PGRST118",
        f"A related order on '{target}' is not possible",
        status=400,
        details=(f"'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship"),
    )


def invalid_preferences(tokens: Sequence[str]) -> RestError:
    """PGRST122."""
    return RestError(
        "PGRST122",
        "Invalid preferences given with handling=strict",
        status=400,
        details=f"Invalid preferences: {', '.join(tokens)}",
    )


def aggregates_not_allowed() -> RestError:
    """PGRST123."""
    return RestError("PGRST123", "Use of aggregate functions is not allowed", status=400)


def too_many_affected(rows: int) -> RestError:
    """PGRST124."""
    message = "Query result exceeds max-affected preference constraint"
    return RestError("PGRST124", message, status=400, details=f"The query affects {rows} rows")


def invalid_path() -> RestError:
    """PGRST125."""
    return RestError("PGRST125", "Invalid path specified in request URL", status=404)


def no_root() -> RestError:
    """PGRST126."""
    return RestError("PGRST126", "Root endpoint metadata is disabled", status=404)


def not_implemented(details: str) -> RestError:
    """PGRST127."""
    return RestError("PGRST127", "Feature not implemented", status=400, details=details)


def max_affected_on_single() -> RestError:
    """PGRST128."""
    message = (
        "Function must return SETOF or TABLE when max-affected preference is used with"
        " handling=strict"
    )
    return RestError("PGRST128", message, status=400)


def unknown_column(table: str, column: str) -> RestError:
    """PGRST204."""
    message = f"Could not find the '{column}' column of '{table}' in the schema cache"
    return RestError("PGRST204", message, status=400)


def unknown_table(schema: str, table: str, suggestion: str | None) -> RestError:
    """PGRST205."""
    return RestError(
        "PGRST205",
        f"Could not find the table '{schema}.{table}' in the schema cache",
        status=404,
        hint=f"Perhaps you meant the table '{schema}.{suggestion}'" if suggestion else None,
    )


def no_schema_cache(retry_after: int) -> RestError:
    """PGRST002; ``retry_after`` in seconds."""
    return RestError(
        "PGRST002",
        "Could not query the database for the schema cache. Retrying.",
        status=503,
        headers=((b"retry-after", b"%d" % retry_after),),
    )
