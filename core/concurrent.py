"""Concurrent work that does not outlive its caller."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

First = TypeVar("First")
Second = TypeVar("Second")


async def both(first: Awaitable[First], second: Awaitable[Second]) -> tuple[First, Second]:
    """Run both until done. Raises the error of the first, else that of the second."""
    one, two = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(one, BaseException):
        raise one
    if isinstance(two, BaseException):
        raise two
    return one, two


async def begun_beside(
    beginning: Coroutine[Any, Any, First], work: Coroutine[Any, Any, Second]
) -> tuple[First, Second]:
    """Run both until done. What fails of the beginning cancels the work, not the other way round.

    Raises the error of the beginning, else that of the work.
    """
    one, two = asyncio.create_task(beginning), asyncio.create_task(work)
    try:
        await asyncio.wait([one, two], return_when=asyncio.FIRST_EXCEPTION)
        if not one.done():  # the work has failed
            await asyncio.wait([one])
        return one.result(), await two
    finally:
        one.cancel()
        two.cancel()
        await asyncio.gather(one, two, return_exceptions=True)


async def both_or_neither(
    first: Coroutine[Any, Any, First], second: Coroutine[Any, Any, Second]
) -> tuple[First, Second]:
    """Run both until done; when one fails, the other is cancelled, and the error raised."""
    one, two = asyncio.create_task(first), asyncio.create_task(second)
    try:
        await asyncio.wait([one, two], return_when=asyncio.FIRST_EXCEPTION)
        for task in (one, two):
            if task.done():
                task.result()
        return one.result(), two.result()
    finally:
        one.cancel()
        two.cancel()
        await asyncio.gather(one, two, return_exceptions=True)
