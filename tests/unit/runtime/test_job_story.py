"""The lines of an attempt: what is told, how often, and in how many commands."""

import asyncio
import re
from datetime import timedelta

import pytest

from bullmq_consumer.outcome import Done, Fail, Outcome, Requeue, Retry
from config.logging.redaction import scrubber
from core.story import about, story, subject
from runtime.job_story import JobStory
from tests.support.handle import RecordingHandle
from tests.support.story import DELIVERY, untimed

KEY = "sb_secret_0123456789"


class CountingHandle(RecordingHandle):
    """`calls` are commands to Redis."""

    calls = 0

    async def log(self, *lines: str) -> None:
        self.calls += 1
        await super().log(*lines)


@pytest.fixture
def handle() -> CountingHandle:
    return CountingHandle()


@pytest.fixture
def told(handle: CountingHandle) -> JobStory:
    return JobStory(DELIVERY, handle, scrubber([KEY]))


async def test_lines_of_one_moment_are_one_command(handle: CountingHandle, told: JobStory) -> None:
    with told.told():
        for number in range(3):
            story().add(f"line {number}")
    await told.end(Done(None))
    assert handle.calls == 1
    began, *lines, completed = handle.lines
    assert re.fullmatch(
        r"Attempt 1 of 3 began at 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ on vidfab-.*", began
    )
    assert lines == ["line 0", "line 1", "line 2"]
    assert re.fullmatch(r"Attempt 1 of 3 completed after \d+\.\d s", completed)


async def test_lines_are_written_while_the_job_goes_on(
    handle: CountingHandle, told: JobStory
) -> None:
    with told.told():
        story().begin()
        while not handle.lines:  # noqa: ASYNC110 (it is written by a timer)
            await asyncio.sleep(0.01)
        story().add("later")
    await told.end(Done(None))
    assert handle.calls == 2
    assert handle.lines[1] == "later"


@pytest.mark.parametrize("is_kept", [True, False])
async def test_success_without_anything_to_tell_costs_no_command(
    handle: CountingHandle, told: JobStory, is_kept: bool
) -> None:
    await told.end(Done(None), is_kept=is_kept)
    assert handle.calls == 0


async def test_the_log_of_a_job_that_is_removed_costs_no_command(
    handle: CountingHandle, told: JobStory
) -> None:
    told.add("it is gone in a moment")
    await told.end(Done(None), is_kept=False)
    assert handle.calls == 0


@pytest.mark.parametrize(
    ("outcome", "end"),
    [
        (Retry("no"), "failed after 0.0 s and is tried again: no"),
        (Fail("no"), "failed after 0.0 s, for good: no"),
        (
            Requeue(timedelta(seconds=15), "X is down"),
            "ended after 0.0 s and waits 15 s, none burnt: X is down",
        ),
        (
            Requeue(timedelta(0)),
            "ended after 0.0 s and goes back at once, none burnt: the worker stops",
        ),
    ],
)
async def test_how_it_ended_is_told(
    handle: CountingHandle, told: JobStory, outcome: Outcome, end: str
) -> None:
    await told.end(outcome)
    line = re.sub(r"\d+\.\d s", "0.0 s", handle.lines[-1])
    assert line == f"Attempt 1 of 3 {end}"
    assert handle.calls == 1


async def test_what_is_polled_is_told_when_it_changes(
    handle: CountingHandle, told: JobStory
) -> None:
    for state in ("queued", "rendering", "rendering", "rendering", "queued", "queued"):
        told.poll("Shotstack, render", f"{state} (0.1 s)", state)
    told.poll("Seedance, clip", "ready (0.1 s)", "ready")
    await told.end(Retry("no"))
    assert untimed(handle.lines[1:-1]) == [
        "Shotstack, render: queued",
        "Shotstack, render: rendering",
        "Shotstack, render: rendering, 2 times more",
        "Shotstack, render: queued",
        "Seedance, clip: ready",
        "Shotstack, render: queued, once more",
    ]


async def test_a_flood_ends_with_a_line_that_says_so(
    handle: CountingHandle, told: JobStory
) -> None:
    for number in range(1000):
        told.add(f"line {number}")
        told.poll("a render", str(number), str(number))
    await told.end(Fail("no"))
    assert len(handle.lines) == 202
    assert handle.lines[-2] == "200 lines are told of an attempt: no more of this"
    assert "for good: no" in handle.lines[-1]


async def test_a_line_is_one_has_a_bound_and_tells_no_secret(
    handle: CountingHandle, told: JobStory
) -> None:
    told.add(f"a\nb {KEY} https://u:p@x.y/z?sig=1 {'c' * 10_000}")
    await told.end(Fail(f"not with {KEY}"))
    _, line, end = handle.lines
    assert line.startswith("a b *** https://***@x.y/z?… ccc")
    assert len(line) == 700
    assert end.endswith("not with ***")


async def test_what_goes_on_after_the_end_tells_nothing(
    handle: CountingHandle, told: JobStory
) -> None:
    await told.end(Fail("no"))
    told.begin()
    told.add("late")
    told.poll("a render", "done", "done")
    assert handle.calls == 1
    assert "no" in handle.lines[-1]


async def test_jobs_side_by_side_tell_each_their_own() -> None:
    handles = [RecordingHandle(), RecordingHandle()]

    async def job(number: int) -> None:
        own = JobStory(DELIVERY, handles[number], str)
        with own.told():
            await asyncio.gather(*(part(number, shot) for shot in range(2)))
        await own.end(Done(None))

    async def part(number: int, shot: int) -> None:
        with about(f"shot {shot}"):
            await asyncio.sleep(0)
            story().add(f"job {number}, {subject()}")

    await asyncio.gather(job(0), job(1))
    for number, handle in enumerate(handles):
        assert handle.lines[1:-1] == [f"job {number}, shot {shot}" for shot in range(2)]


async def test_outside_of_a_job_nothing_is_told() -> None:
    story().begin()
    story().add("line")
    assert subject() == ""
