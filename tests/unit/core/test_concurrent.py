"""Work that runs side by side ends with its caller."""

import asyncio
from typing import Any

import pytest

from core.concurrent import begun_beside, both_or_neither


async def test_both_are_run_at_the_same_time() -> None:
    met = asyncio.Barrier(2)

    async def work(result: str) -> str:
        await met.wait()
        return result

    assert await both_or_neither(work("a"), work("b")) == ("a", "b")


@pytest.mark.parametrize(
    ("run", "fails_first"),
    [(both_or_neither, True), (both_or_neither, False), (begun_beside, True)],
)
async def test_when_one_fails_the_other_is_cancelled(run: Any, fails_first: bool) -> None:
    ended: list[str] = []
    begun = asyncio.Event()

    async def fails() -> None:
        await begun.wait()
        raise ValueError("no")

    async def works() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    work = (fails(), works()) if fails_first else (works(), fails())
    with pytest.raises(ValueError, match="no"):
        await run(*work)
    assert ended == ["cancelled"]


async def test_both_end_with_their_caller() -> None:
    ended: list[str] = []

    async def works(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    task = asyncio.create_task(both_or_neither(works("a"), works("b")))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["a", "b"]


async def test_what_was_begun_is_finished_when_the_work_fails() -> None:
    failed, done = asyncio.Event(), list[str]()

    async def begins() -> None:
        await failed.wait()
        await asyncio.sleep(0)
        done.append("begun")

    async def works() -> None:
        failed.set()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await begun_beside(begins(), works())
    assert done == ["begun"]


async def test_a_beginning_and_its_work_end_with_their_caller() -> None:
    async def waits() -> str:
        await asyncio.sleep(0)
        return "done"

    assert await begun_beside(waits(), waits()) == ("done", "done")
    task = asyncio.create_task(begun_beside(asyncio.Event().wait(), asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
