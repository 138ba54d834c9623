"""Messages are cut to what a notification holds and come out whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gavan.core.realtime.cluster.pieces import Joiner, cut

NOTIFICATION_BYTES = 8000
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.lists(TEXTS, max_size=4), st.integers(1, 20_000), st.booleans())
def test_what_is_cut_comes_out_whole_and_in_order(
    texts: list[str], length: int, is_ascii: bool
) -> None:
    texts.append(("x" if is_ascii else "ж") * length)
    joiner, whole = Joiner(), []
    for number, text in enumerate(texts):
        for piece in cut("ab12", number, text or "{}"):
            assert len(piece.encode()) < NOTIFICATION_BYTES
            found = joiner.add(piece)
            if found is not None:
                assert found[0] == "ab12"
                whole.append(found[1])
    assert whole == [text or "{}" for text in texts]


def test_two_senders_do_not_mix() -> None:
    joiner = Joiner()
    one, two = cut("aa", 1, "x" * 10_000), cut("bb", 1, "y" * 10_000)
    assert joiner.add(one[0]) is None
    assert joiner.add(two[0]) is None
    assert joiner.add(one[1]) == ("aa", "x" * 10_000)
    assert joiner.add(two[1]) == ("bb", "y" * 10_000)


def test_a_message_whose_beginning_was_missed_is_dropped() -> None:
    joiner = Joiner()
    pieces = cut("aa", 1, "x" * 20_000)
    assert [joiner.add(piece) for piece in pieces[1:]] == [None, None]
    assert joiner.add("nonsense of somebody else") is None
    assert joiner.add(cut("aa", 2, "{}")[0]) == ("aa", "{}")
