"""What a look at the machine finds."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.machine import lack_of

# More than there are addresses for: the kernel refuses each new thread.
_STACK_BYTES = 2**47


@pytest.fixture
def no_threads() -> Iterator[None]:
    before = threading.stack_size(_STACK_BYTES)
    yield
    threading.stack_size(before)


async def test_a_machine_that_has_all_is_fit(tmp_path: Path) -> None:
    assert not await Fitness(lambda: tmp_path).lacked("its work disk is full")


async def test_a_folder_that_is_gone_is_a_lack(tmp_path: Path) -> None:
    assert await Fitness(lambda: tmp_path / "gone").lacked("its work disk is full")


@pytest.mark.usefixtures("no_threads")
async def test_a_machine_that_starts_no_thread_is_unfit(tmp_path: Path) -> None:
    """The look needs one itself."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())  # none is idle in it
    thread = threading.Thread(target=str)
    with pytest.raises(RuntimeError) as caught:
        thread.start()
    lack = lack_of(caught.value)
    assert lack == "it can start no more threads"
    assert await Fitness(lambda: tmp_path).lacked(lack)
