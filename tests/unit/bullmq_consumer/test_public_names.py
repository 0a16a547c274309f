"""The names of the package, which loads each when it is asked for."""

import subprocess
import sys

import pytest

import bullmq_consumer


@pytest.mark.parametrize("name", bullmq_consumer.__all__)
def test_each_is_there(name: str) -> None:
    found = getattr(bullmq_consumer, name)
    assert vars(bullmq_consumer)[name] is found  # the second time without a look


def test_others_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Wroker'"):
        _ = bullmq_consumer.Wroker  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue, reportUnknownVariableType]
    with pytest.raises(ImportError, match="cannot import name 'Wroker'"):
        exec("from bullmq_consumer import Wroker")


def test_all_are_listed_before_they_are_asked_for() -> None:
    listed = "assert {*b.__all__} <= {*dir(b)} and 'Worker' not in vars(b)"
    code = f"import bullmq_consumer as b; {listed}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
