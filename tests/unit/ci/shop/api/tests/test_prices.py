from prices import total


def test_the_sum_of_nothing_is_nothing() -> None:
    assert total([]) == 0
