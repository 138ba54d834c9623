"""What queries, bodies and tokens may ask of an image: values, bounds, spellings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.core.storage.errors import StorageError
from gavan.core.storage.images.asked import claimed_transform, read_transform
from gavan.core.storage.images.transform import FORMATS, GRAVITIES, RESIZE, Transform


def test_the_header_has_the_order_of_upstream() -> None:
    wanted = read_transform(
        {
            "gravity": "noea",
            "format": "webp",
            "quality": "60",
            "resize": "contain",
            "width": "200",
            "height": "100",
            "y_offset": "4",
            "x_offset": "-12",
        },
        "querystring",
    )

    assert wanted.header == (
        "height:100,width:200,resizing_type:fit,quality:60,format:webp,gravity:noea:-12:4"
    )
    assert wanted.claim == (
        "height:100,width:200,resize:contain,quality:60,format:webp,gravity:noea:-12:4"
    )


@pytest.mark.parametrize(
    ("values", "header"),
    [
        ({}, ""),
        ({"resize": "contain"}, ""),
        ({"format": "origin"}, ""),
        ({"width": "0", "height": 0}, ""),
        ({"width": 9999}, "width:2000,resizing_type:fill"),
        ({"height": "7", "resize": "fill"}, "height:7,resizing_type:force"),
        ({"width": 200.0}, "width:200,resizing_type:fill"),
        ({"gravity": "ce"}, "gravity:ce"),
        ({"gravity": "so", "x_offset": 0.25}, "gravity:so:0.25:0"),
        ({"gravity": "fp", "x_offset": 0, "y_offset": "1"}, "gravity:fp:0:1"),
        ({"x_offset": 5, "unknown": "x"}, ""),
    ],
)
def test_values_are_bounded_and_written_as_upstream_does(
    values: dict[str, Any], header: str
) -> None:
    assert read_transform(values, "querystring").header == header


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": "-1"}, "querystring/width must be >= 0"),
        ({"width": "abc"}, "querystring/width must be integer"),
        ({"width": ""}, "querystring/width must be integer"),
        ({"width": "1.5"}, "querystring/width must be integer"),
        ({"width": ["1", "2"]}, "querystring/width must be integer"),
        ({"width": True}, "querystring/width must be integer"),
        ({"width": "1" * 40}, "querystring/width must be integer"),
        ({"width": "1e400"}, "querystring/width must be integer"),
        ({"width": "٣"}, "querystring/width must be integer"),
        ({"height": "NaN"}, "querystring/height must be integer"),
        ({"quality": "19"}, "querystring/quality must be >= 20"),
        ({"quality": 101}, "querystring/quality must be <= 100"),
        ({"resize": "stretch"}, "querystring/resize must be equal to one of the allowed values"),
        ({"format": "jpeg"}, "querystring/format must be equal to one of the allowed values"),
        ({"format": ""}, "querystring/format must be equal to one of the allowed values"),
        ({"gravity": "sm"}, "querystring/gravity must be equal to one of the allowed values"),
        ({"x_offset": "Infinity"}, "querystring/x_offset must be number"),
        ({"gravity": "fp"}, "querystring must have required property 'x_offset'"),
        (
            {"gravity": "fp", "x_offset": 0.5},
            "querystring must have required property 'y_offset'",
        ),
        (
            {"gravity": "fp", "x_offset": 1.1, "y_offset": 0},
            "querystring/x_offset must be <= 1",
        ),
        (
            {"gravity": "fp", "x_offset": 0.5, "y_offset": -0.1},
            "querystring/y_offset must be >= 0",
        ),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(StorageError) as caught:
        read_transform(values, "querystring")

    assert (caught.value.status, caught.value.code) == (400, "InvalidRequest")
    assert caught.value.message == message


_transforms = st.fixed_dictionaries(
    {},
    optional={
        "height": st.integers(0, 4000),
        "width": st.integers(0, 4000),
        "resize": st.sampled_from(sorted(RESIZE)),
        "format": st.sampled_from(FORMATS),
        "quality": st.integers(20, 100),
        "gravity": st.sampled_from([word for word in GRAVITIES if word != "fp"]),
        "x_offset": st.floats(-3000, 3000).map(lambda value: round(value, 3)),
        "y_offset": st.floats(-3000, 3000).map(lambda value: round(value, 3)),
    },
)


@given(_transforms)
def test_a_token_asks_for_what_was_signed(values: dict[str, Any]) -> None:
    signed = read_transform(values, "body/transform")

    claimed = claimed_transform(signed.claim, signed.format)

    assert claimed.header == signed.header
    assert claimed.format == signed.format


def test_a_token_of_upstream_without_a_way_to_fit_covers() -> None:
    assert claimed_transform("width:10,resize:undefined") == Transform(width=10)


@given(st.text(alphabet="abcdefghijkmnopqrstwyz_:,.0123456789-", max_size=80), st.text(max_size=8))
def test_no_claim_is_too_strange_to_read(text: str, word: str) -> None:
    assert isinstance(claimed_transform(text, word), Transform)


def test_a_claimed_focal_point_without_its_place_does_not_count() -> None:
    assert claimed_transform("width:9,gravity:fp:0.5").header == "width:9,resizing_type:fill"
    assert claimed_transform("gravity:fp:0.5:0.25").header == "gravity:fp:0.5:0.25"
    assert claimed_transform("gravity:fp:5:0.25").header == ""
