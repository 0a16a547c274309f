"""What is sent to BullMQ's scripts, held against what their heads document."""

import re
from collections.abc import Callable, Coroutine, Sequence
from importlib import resources
from typing import Any

import pytest
from redis.asyncio import Redis

from bullmq_consumer.protocol.commands import Commands, TakeOptions
from bullmq_consumer.protocol.job import Job, read_job
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.clock import RedisClock

HEADS = {
    "moveToActive-11": (
        "wait active prioritized events stalled limiter delayed paused meta pc marker",
        ["key prefix", "timestamp", "opts"],
    ),
    "moveToFinished-14": (
        "wait active prioritized events stalled limiter delayed paused meta pc "
        "completed j metrics:completed marker",
        [
            *("jobId", "timestamp", "msg property returnvalue / failedReason"),
            *("return value / failed reason", "target (completed/failed)", "fetch next?"),
            *("keys prefix", "opts", "job fields to update"),
        ],
    ),
    "moveToDelayed-11": (
        "marker active prioritized delayed j events meta stalled wait limiter pc",
        [
            *("key prefix", "timestamp", "the id of the job", "queue token", "delay value"),
            *("skip attempt", "optional job fields to update", "fetch next?", "opts"),
        ],
    ),
    "retryJob-11": (
        "active wait paused j meta events delayed prioritized pc marker stalled",
        ["key prefix", "timestamp", "pushCmd", "jobId", "token", "optional job fields to update"],
    ),
    "moveJobFromActiveToWait-9": (
        "active wait stalled paused meta limiter prioritized marker events",
        ["job id", "lock token", "job id key"],
    ),
    "getRateLimitTtl-2": ("limiter meta", ["maxJobs"]),
    "extendLocks-1": ("stalled", ["baseKey", "tokens", "jobIds", "lockDuration (ms)"]),
    "moveStalledJobsToWait-9": (
        "stalled wait active stalled-check meta paused marker events repeat",
        ["Max stalled job count", "queue.toKey('')", "timestamp", "max check time"],
    ),
    "updateJobScheduler-12": (
        "repeat delayed wait paused meta prioritized marker id events pc j active",
        [
            *("next milliseconds", "jobs scheduler id", "Json stringified delayed data"),
            *("msgpacked delayed opts", "timestamp", "prefix key", "producer id"),
        ],
    ),
}
"""By each script that we call: the keys that we send, and its arguments as its head has them."""

# Where a head names a key otherwise than by its name in Redis.
KEY_WORDS = {
    "events": "event",
    "j": "job|producer",
    "completed": "completed",
    "metrics:completed": "metrics",
}


class Recorder(Redis):
    """Takes scripts, and notes what they are called with."""

    def __init__(self) -> None:
        self.sent: list[tuple[list[str], list[Any]]] = []

    def register_script(self, script: Any) -> Any:
        async def call(keys: Sequence[str], args: Sequence[Any]) -> int:
            self.sent.append(([*keys], [*args]))
            return 0

        return call


def job_of_a_schedule() -> Job:
    return read_job({"name": "n", "rjk": "nightly", "opts": "{}"}, "j", "w:1", 0.0)


CALLS: dict[str, Callable[[Commands, Job], Coroutine[Any, Any, Any]]] = {
    "moveToActive-11": lambda commands, job: commands.take("w:1"),
    "moveToFinished-14": lambda commands, job: commands.complete(job, "1", fetch_next=True),
    "moveToDelayed-11": lambda commands, job: commands.delay(
        job, 5, {"failedReason": "no"}, fetch_next=True
    ),
    "retryJob-11": lambda commands, job: commands.retry(job, {"failedReason": "no"}),
    "moveJobFromActiveToWait-9": lambda commands, job: commands.return_limited(job),
    "getRateLimitTtl-2": lambda commands, job: commands.limit_left_ms(),
    "extendLocks-1": lambda commands, job: commands.extend([job.key]),
    "moveStalledJobsToWait-9": lambda commands, job: commands.return_stalled(1, 30_000),
    "updateJobScheduler-12": lambda commands, job: commands.add_iteration(job, 5, {}),
}


def head_of(script: str) -> dict[str, list[str]]:
    """The documented KEYS and ARGV of a script of the installed package, in their order."""
    text = resources.files("bullmq").joinpath("commands", f"{script}.lua").read_text("utf-8")
    lines = re.findall(r"(KEYS|ARGV)\[(\d+)\]\s*=?\s*(.*)", text.partition("]]")[0])
    told: dict[str, list[str]] = {"KEYS": [], "ARGV": []}
    for kind, number, meaning in lines:
        told[kind].append(meaning.strip())
        assert int(number) == len(told[kind])
    return told


@pytest.mark.parametrize("script", HEADS)
def test_the_heads_are_those_that_the_calls_are_made_for(script: str) -> None:
    keys, arguments = HEADS[script]
    head = head_of(script)
    assert head["ARGV"] == arguments
    for key, meaning in zip(keys.split(), head["KEYS"], strict=True):
        assert re.search(KEY_WORDS.get(key, key), meaning), (key, meaning)


@pytest.mark.parametrize("script", HEADS)
async def test_each_gets_the_keys_and_as_many_arguments_as_it_documents(script: str) -> None:
    redis = Recorder()
    options = TakeOptions(worker="w", lock_ms=30_000)
    commands = Commands(redis, QueueName("q"), options, RedisClock(redis))
    await CALLS[script](commands, job_of_a_schedule())
    [(keys, arguments)] = redis.sent
    expected, documented = HEADS[script]
    assert keys == [f"bull:q:{name}" for name in expected.split()]
    assert len(keys) == int(script.rpartition("-")[2])
    # The last one of these says what to fetch next with, which is left out where nothing is.
    optional = {"moveToFinished-14": 1}.get(script, 0)
    assert len(documented) - optional <= len(arguments) <= len(documented)


def test_no_script_is_called_that_is_not_in_the_table() -> None:
    source = resources.files("bullmq_consumer.protocol").joinpath("commands.py").read_text("utf-8")
    assert {*re.findall(r'load\(redis, "([\w-]+)"\)', source)} == HEADS.keys()
