"""Prices."""


def total(prices: list[int]) -> int:
    """Return their sum, in cents."""
    return sum(prices)
