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
