"""Many commands over one connection to a real Redis, which may break at any time."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from typing import Any

import hiredis
import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import Connection
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, ResponseError

from bullmq_consumer.redis.address import RedisAddress
from bullmq_consumer.redis.clients import connect
from bullmq_consumer.redis.pipelined_client import PipelinedClient
from bullmq_consumer.redis.pipelined_connection import Command, PipelinedConnection
from bullmq_consumer.redis.traffic import TRAFFIC, CountedRetry
from sandbox.processes import LOOPBACK, PATIENCE_S
from sandbox.redis import RedisServer
from tests.support.proxy import Proxy
from tests.support.stopwatch import Stopwatch


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[PipelinedClient]:
    client = connect(RedisAddress(server.url))
    yield client
    await client.aclose()


@pytest.fixture
async def watcher(server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(server.url, decode_responses=True) as client:
        yield client


class Owner:
    """Of a line that is looked at by itself."""

    def opened(self, line: PipelinedConnection) -> None: ...
    def answered(self) -> None: ...
    def unresponsive(self, line: PipelinedConnection) -> None: ...
    def lost(
        self, line: PipelinedConnection, questions: Sequence[Command], error: RedisConnectionError
    ) -> None: ...


def question(*command: str) -> Command:
    packed = hiredis.pack_command(command)  # pyright: ignore
    return Command(packed, asyncio.get_running_loop().create_future())


async def connections(watcher: Redis) -> int:
    clients = await watcher.client_list()
    return sum(client["cmd"] != "client|list" for client in clients)


async def test_a_thousand_questions_get_their_own_answers_over_one_connection(
    redis: Redis, watcher: Redis
) -> None:
    before, counted = await connections(watcher), TRAFFIC.commands
    answers = await asyncio.gather(*(redis.echo(f"猫 {number}") for number in range(1000)))
    assert answers == [f"猫 {number}" for number in range(1000)]
    assert await connections(watcher) == before + 1
    assert TRAFFIC.commands - counted == 1000


async def test_an_error_is_for_the_one_who_asked(redis: Redis) -> None:
    await redis.set("text", "x")
    refused, answer = await asyncio.gather(
        redis.lpush("text", "y"), redis.get("text"), return_exceptions=True
    )
    assert isinstance(refused, ResponseError)
    assert answer == "x"


async def test_bytes_that_are_no_text_are_read_as_node_does(redis: Redis, watcher: Redis) -> None:
    await watcher.set("odd", b"caf\xe9")
    assert await asyncio.gather(redis.get("odd"), redis.echo("next")) == ["caf\ufffd", "next"]


async def test_text_that_cannot_be_decoded_is_an_error_for_the_one_who_asked(
    server: RedisServer, watcher: Redis
) -> None:
    await watcher.set("odd", b"caf\xe9")
    connection = Connection(
        host=LOOPBACK, port=server.port, decode_responses=True, socket_timeout=5
    )
    line = PipelinedConnection(connection, Owner())
    odd, after = question("GET", "odd"), question("ECHO", "next")
    line.send(odd, after)
    with pytest.raises(UnicodeDecodeError):
        await odd.reply
    assert await after.reply == "next"
    line.close(RedisConnectionError("done"))


async def test_who_gives_up_does_not_shift_the_answers(redis: Redis) -> None:
    given_up = asyncio.create_task(redis.echo("nobody waits"))
    await asyncio.sleep(0)
    others = [asyncio.create_task(redis.echo(str(number))) for number in range(5)]
    given_up.cancel()
    assert await asyncio.gather(*others) == ["0", "1", "2", "3", "4"]
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_a_broken_line_is_made_anew_and_nothing_hangs(redis: Redis, watcher: Redis) -> None:
    await redis.set("count", 0)
    asked = [asyncio.create_task(redis.get("count")) for _ in range(200)]
    for _ in range(5):
        await watcher.client_kill_filter(_type="normal", skipme=True)
        asked += [asyncio.create_task(redis.get("count")) for _ in range(200)]
        await asyncio.sleep(0.01)
    async with asyncio.timeout(PATIENCE_S):
        assert set(await asyncio.gather(*asked)) == {"0"}


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[Proxy]:
    async with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
async def by_proxy(proxy: Proxy) -> AsyncIterator[PipelinedClient]:
    """A client that waits 0.5 s for an answer."""
    client = PipelinedClient(
        host=LOOPBACK,
        port=proxy.port,
        decode_responses=True,
        socket_timeout=0.5,
        retry=CountedRetry(ExponentialWithJitterBackoff(base=0.01, cap=0.1), 3),
    )
    yield client
    await client.aclose()


async def test_a_dead_connection_is_left_and_its_questions_are_asked_again(
    by_proxy: PipelinedClient, proxy: Proxy
) -> None:
    assert await by_proxy.echo("x") == "x"
    proxy.freeze()
    asked: list[asyncio.Task[Any]] = []
    for number in range(5):  # what is asked meanwhile does not make it wait longer
        asked.append(asyncio.create_task(by_proxy.echo(str(number))))
        await asyncio.sleep(0.1)
    watch = Stopwatch()
    assert await asyncio.gather(*asked) == ["0", "1", "2", "3", "4"]
    assert watch.seconds() < 1


async def test_a_slow_redis_is_not_asked_again(server: RedisServer, watcher: Redis) -> None:
    """Three scripts of 1 s go out in one packet, and their answers come together."""
    slow = "redis.call('INCR', 'ran') local n = 0 for i = 1, 60000000 do n = n + 1 end return n"
    client = PipelinedClient(
        host=LOOPBACK,
        port=server.port,
        socket_timeout=0.5,
        retry=CountedRetry(ExponentialWithJitterBackoff(base=0.01, cap=0.1), 45),
    )
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(client.eval(slow, 0) for _ in range(3)), client.incr("ran"))
    assert await watcher.get("ran") == "4"
    await client.aclose()


async def test_a_redis_that_stays_silent_is_given_up(server: RedisServer) -> None:
    client = PipelinedClient(
        host=LOOPBACK,
        port=server.port,
        socket_timeout=0.1,
        socket_connect_timeout=0.1,
        retry=CountedRetry(ExponentialWithJitterBackoff(base=0.01, cap=0.1), 3),
    )
    await client.ping()
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        watch = Stopwatch()
        with pytest.raises(RedisConnectionError):
            await client.ping()
        assert watch.seconds() < 5
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
        await client.aclose()


async def test_after_a_very_long_outage_it_goes_on() -> None:
    """However often it tried: the pauses do not grow into numbers that are none."""
    async with RedisServer() as server:
        client = PipelinedClient(
            host=LOOPBACK,
            port=server.port,
            decode_responses=True,
            retry=CountedRetry(ExponentialWithJitterBackoff(base=0.1, cap=0.0001), 100_000),
        )
        await server.stop()
        before = TRAFFIC.broken
        waiting = asyncio.create_task(client.echo("at last"))
        async with asyncio.timeout(PATIENCE_S):
            while TRAFFIC.broken - before < 1100:  # noqa: ASYNC110 (a counter)
                await asyncio.sleep(0.02)
        await server.start()
        assert await asyncio.wait_for(waiting, PATIENCE_S) == "at last"
        await client.aclose()


async def test_what_is_asked_again_keeps_its_order(redis: Redis, watcher: Redis) -> None:
    """Whenever the connection breaks: the last that Redis did of each is in the order of asking."""
    asked: list[asyncio.Task[Any]] = []
    for number in range(3000):
        asked.append(asyncio.create_task(redis.execute_command("RPUSH", "order", number)))
        if number % 100 == 0:
            await watcher.client_kill_filter(_type="normal", skipme=True)
        if number % 3 == 0:
            await asyncio.sleep(0)
    await asyncio.gather(*asked)
    arrived = [int(one) for one in await watcher.lrange("order", 0, -1)]
    last = {number: place for place, number in enumerate(arrived)}
    assert sorted(last, key=last.__getitem__) == list(range(3000))


async def test_a_script_that_is_kept_loaded_keeps_its_place(redis: PipelinedClient) -> None:
    """Else Redis does first what was asked behind it."""
    script = redis.register_script("return redis.call('RPUSH', 'places', ARGV[1])")
    redis.keep_loaded(script)
    await redis.script_flush()
    await redis.reconnect()
    await asyncio.gather(script(args=["first"]), redis.execute_command("RPUSH", "places", "then"))
    assert await redis.execute_command("LRANGE", "places", 0, -1) == ["first", "then"]


async def test_a_script_that_redis_lost_is_sent_in_full(redis: PipelinedClient) -> None:
    script = redis.register_script("return {KEYS[1], ARGV[1]}")
    assert await script(keys=["k"], args=["v"]) == ["k", "v"]
    await redis.script_flush()
    assert await script(keys=["k"], args=["w"]) == ["k", "w"]
    assert await redis.script_exists(script.sha) == [True]


async def test_what_redis_cannot_be_told_is_a_clear_error(redis: PipelinedClient) -> None:
    with pytest.raises(DataError):
        await redis.execute_command("SET", "key", None)


async def test_scripts_and_pipelines_work_beside_it(redis: Redis) -> None:
    script = redis.register_script("return {KEYS[1], ARGV[1]}")
    assert await script(keys=["k"], args=["v"]) == ["k", "v"]
    async with redis.pipeline(transaction=True) as pipe:
        pipe.set("p", "1")
        pipe.get("p")
        assert await pipe.execute() == [True, "1"]
    assert (await redis.info("server"))["redis_version"]
    assert await redis.hgetall("nothing") == {}


async def test_a_closed_client_leaves_nobody_waiting(redis: Redis) -> None:
    await redis.ping()
    waiting = asyncio.create_task(redis.execute_command("BLPOP", "empty", 5))
    await asyncio.sleep(0.05)
    await redis.aclose()
    with pytest.raises(RedisConnectionError):
        await asyncio.wait_for(waiting, PATIENCE_S)
    with pytest.raises(RedisConnectionError):
        await redis.ping()
