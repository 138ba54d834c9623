"""[core.realtime] becomes the limits of the service."""

from __future__ import annotations

from gavan.core.realtime.config import PREFIX, read_limits
from gavan.core.realtime.limits import Limits
from gavan.engines.embedded.environment import reveal
from gavan.stack.load import Loaded
from tests.unit.stack.conftest import LoadFactory


def limits_of(loaded: Loaded) -> Limits:
    assert loaded.findings == ()
    told = reveal(loaded.stack.core.realtime)
    return read_limits({f"{PREFIX}{name.upper()}": value for name, value in told.items()})


def test_the_defaults_of_the_section_are_those_of_the_core(load_factory: LoadFactory) -> None:
    assert limits_of(load_factory()) == Limits()
    assert limits_of(load_factory("[core.realtime]\n")) == Limits()


def test_what_is_written_reaches_the_core(load_factory: LoadFactory) -> None:
    limits = limits_of(
        load_factory(
            """
            [core.realtime]
            max_concurrent_users = 200
            max_payload_size_in_kb = 256
            private_only = true
            slot = "durable"
            """
        )
    )
    assert (limits.connections, limits.broadcast_bytes) == (200, 256_000)
    assert limits.is_private_only
    assert limits.is_durable
