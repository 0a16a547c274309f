"""The parsers under `make fuzz`, with their seeds and what hypothesis thinks of."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.parsers import PARSERS, SEEDS, checked

each_parser = pytest.mark.parametrize("name", PARSERS)


@each_parser
def test_seeds_are_read(name: str) -> None:
    for seed in SEEDS[name]:
        checked(name, seed)


@each_parser
@settings(max_examples=settings().max_examples * 3 // 2, deadline=None)
@given(data=st.data())
def test_nothing_but_what_is_promised_is_raised(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(SEEDS[name]))
    start, end = (data.draw(st.integers(0, len(seed))) for _ in range(2))
    checked(name, seed[:start] + data.draw(st.binary(max_size=50)) + seed[end:])
