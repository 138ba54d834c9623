"""Sizes and cuts, as imgproxy makes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.core.storage.images.geometry import Box, Size, plan
from gavan.core.storage.images.transform import GRAVITIES, RESIZE, Transform


@pytest.mark.parametrize(
    ("source", "wanted", "size", "box"),
    [
        ((400, 200), Transform(), (400, 200), (0, 0, 400, 200)),
        ((400, 200), Transform(width=100), (100, 50), (0, 0, 100, 50)),
        ((400, 200), Transform(height=100), (200, 100), (0, 0, 200, 100)),
        ((400, 200), Transform(width=100, height=100), (200, 100), (50, 0, 150, 100)),
        (
            (400, 200),
            Transform(width=100, height=100, resize="contain"),
            (100, 50),
            (0, 0, 100, 50),
        ),
        ((400, 200), Transform(width=90, height=70, resize="fill"), (90, 70), (0, 0, 90, 70)),
        ((400, 200), Transform(width=100, resize="fill"), (100, 200), (0, 0, 100, 200)),
        ((300, 100), Transform(width=200, height=200), (300, 100), (50, 0, 250, 100)),
        ((50, 40), Transform(width=100, height=100), (50, 40), (0, 0, 50, 40)),
        (
            (100, 100),
            Transform(width=200, height=400, resize="fill"),
            (50, 100),
            (0, 0, 50, 100),
        ),
        ((9000, 2), Transform(width=10), (10, 1), (0, 0, 10, 1)),
    ],
)
def test_a_picture_is_scaled_and_cut(source: Size, wanted: Transform, size: Size, box: Box) -> None:
    made = plan(source, wanted)

    assert (made.size, made.box) == (size, box)


@pytest.mark.parametrize(
    ("gravity", "offsets", "corner"),
    [
        ("", (None, None), (50, 0)),
        ("ce", (None, None), (50, 0)),
        ("we", (None, None), (0, 0)),
        ("ea", (None, None), (100, 0)),
        ("nowe", (10.0, None), (10, 0)),
        ("soea", (10.0, None), (90, 0)),
        ("no", (0.1, None), (70, 0)),
        ("ea", (-50.0, None), (100, 0)),
        ("we", (900.0, None), (100, 0)),
        ("fp", (0.5, 0.5), (50, 0)),
        ("fp", (0.0, 0.0), (0, 0)),
        ("fp", (1.0, 1.0), (100, 0)),
        ("fp", (0.3, 0.3), (10, 0)),
    ],
)
def test_gravity_chooses_what_is_kept(
    gravity: str, offsets: tuple[float | None, float | None], corner: tuple[int, int]
) -> None:
    x_offset, y_offset = offsets
    wanted = Transform(width=100, height=100, gravity=gravity, x_offset=x_offset, y_offset=y_offset)

    made = plan((400, 200), wanted)

    assert made.size == (200, 100)
    assert made.box[:2] == corner


@given(
    st.tuples(st.integers(1, 20_000), st.integers(1, 20_000)),
    st.none() | st.integers(1, 2000),
    st.none() | st.integers(1, 2000),
    st.sampled_from(sorted(RESIZE)),
    st.sampled_from(["", *GRAVITIES]),
    st.tuples(st.floats(-3000, 3000), st.floats(-3000, 3000)),
)
def test_nothing_is_enlarged_and_every_cut_is_within(
    source: Size,
    width: int | None,
    height: int | None,
    resize: str,
    gravity: str,
    offsets: tuple[float, float],
) -> None:
    wanted = Transform(
        width=width,
        height=height,
        resize=resize,
        gravity=gravity,
        x_offset=offsets[0],
        y_offset=offsets[1],
    )

    made = plan(source, wanted)

    left, top, right, bottom = made.box
    assert 1 <= made.size[0] <= source[0]
    assert 1 <= made.size[1] <= source[1]
    assert 0 <= left < right <= made.size[0]
    assert 0 <= top < bottom <= made.size[1]
    if resize != "fill":
        assert right - left <= (width or source[0])
        assert bottom - top <= (height or source[1])
