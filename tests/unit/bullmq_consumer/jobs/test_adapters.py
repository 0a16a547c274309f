"""Which handlers need pydantic, and when it is loaded for them."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pydantic import JsonValue

from bullmq_consumer import Job, Jobs
from bullmq_consumer.testing import run_job

_ASKED = """
import asyncio, sys
from bullmq_consumer import Job, Jobs
from bullmq_consumer.delivery import Delivery
from bullmq_consumer.jobs.dispatcher import Dispatcher
from bullmq_consumer.testing import _Recorded

jobs = Jobs()

@jobs.job("mail")
async def mail(job: Job{data}) -> {result}:
    return job.data["to"] if "{result}" != "None" else None

async def main():
    print("pydantic" in sys.modules)
    handle = _Recorded("1", {{}}, is_lost=False)
    delivery = Delivery("1", "mail", {{"to": "a"}}, attempts_made=0, attempts=1)
    done = await Dispatcher(jobs.entries()).run(delivery, handle, asyncio.Event())
    print(done.returnvalue, "pydantic" in sys.modules)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("data", "result", "said"),
    [
        ("", "None", "False\nNone False\n"),
        ("[dict[str, str]]", "None", "False\nNone True\n"),
        ("", "str | None", "False\na True\n"),
    ],
)
def test_it_is_loaded_when_the_first_value_needs_it(data: str, result: str, said: str) -> None:
    asked = [sys.executable, "-c", _ASKED.format(data=data, result=result)]
    assert subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout == said


async def test_plain_types_are_checked_all_the_same() -> None:
    jobs: Any = Jobs()

    @jobs.job("sum")
    async def add(job: Job[Mapping[str, Sequence[int] | None]]) -> int:
        return sum(number for numbers in job.data.values() for number in numbers or ())

    assert (await run_job(add, {"a": [1, 2], "b": None})).result == 3
    ran = await run_job(add, {"a": "12"})
    assert ran.state == "failed"
    assert ran.reason.startswith("Invalid data: 'a': ")


async def test_a_result_that_its_annotation_denies_is_refused() -> None:
    jobs: Any = Jobs()

    @jobs.job("lies")
    async def lie(job: Job) -> None:
        return 1  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    ran = await run_job(lie, {})
    assert ran.reason == "lies returned int, which its annotation does not say"


async def test_data_that_nobody_describes_are_as_they_came() -> None:
    jobs: Any = Jobs()

    @jobs.job("echo")
    async def echo(job: Job[JsonValue]) -> JsonValue:
        return job.data

    assert (await run_job(echo, {"a": [None, 1.5]})).result == {"a": [None, 1.5]}
