"""Numbers fit into the columns that they are for."""

import pytest

from core.columns import as_bigint, as_integer, as_resolution


@pytest.mark.parametrize(
    ("number", "written"),
    [(5.04, 5), (5.5, 6), (0.2, 0), (-1, 0), (2**31 - 1, 2**31 - 1), (3_599_999_999.0, 2**31 - 1)],
)
def test_an_integer(number: float, written: int) -> None:
    assert as_integer(number) == written


@pytest.mark.parametrize(
    ("number", "written"), [(7, 7), (-1, 0), (2**63 - 1, 2**63 - 1), (2**64, 2**63 - 1)]
)
def test_a_bigint(number: int, written: int) -> None:
    assert as_bigint(number) == written


@pytest.mark.parametrize(
    ("size", "written"), [((1920, 1080), "1920x1080"), ((99_998, 99_998), "9999x9999")]
)
def test_a_resolution(size: tuple[int, int], written: str) -> None:
    assert as_resolution(*size) == written
    assert len(written) <= 10
