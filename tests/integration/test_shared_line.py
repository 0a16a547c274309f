"""Many commands over one connection to a real Redis, which may break at any time."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.environment import Environment
from config.settings import load_settings
from runtime.redis_client import connect
from runtime.shared_line import Reply, SharedLine
from runtime.traffic import TRAFFIC
from sandbox.processes import LOOPBACK
from sandbox.redis import RedisServer
from tests.support.proxy import Proxy

OTHERS = {"SUPABASE_URL": "http://127.0.0.1:1", "SUPABASE_SERVICE_KEY": "sb_secret_12345678"}


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[RedisServer]:
    async with RedisServer() as server:
        yield server


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    variables = {**OTHERS, "BULLMQ_REDIS_URL": server.url}
    client = connect(load_settings(environment=Environment(variables, {})))
    yield client
    await client.aclose()


@pytest.fixture
async def watcher(server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(server.url, decode_responses=True) as client:
        yield client


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
    line = SharedLine(connection, lambda: None, lambda: None)
    odd, after = line.ask(["GET", "odd"]), line.ask(["ECHO", "next"])
    with pytest.raises(UnicodeDecodeError):
        await odd
    assert await after == "next"
    line.close()


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
    async with asyncio.timeout(20):
        assert set(await asyncio.gather(*asked)) == {"0"}


async def test_an_answer_that_does_not_come_ends_the_line(server: RedisServer) -> None:
    async with Proxy(server.port) as proxy:
        connection = Connection(
            host=LOOPBACK, port=proxy.port, decode_responses=True, socket_timeout=0.5
        )
        silences: list[bool] = []
        line = SharedLine(connection, lambda: None, lambda: silences.append(True))
        assert await line.ask(["ECHO", "x"]) == "x"
        proxy.freeze()
        asked: list[Reply] = []
        for number in range(5):  # what is asked meanwhile does not make it wait longer
            asked.append(line.ask(["ECHO", str(number)]))
            await asyncio.sleep(0.1)
        for one in asked:
            with pytest.raises(RedisTimeoutError):
                await asyncio.wait_for(one, 0.3)
        assert line.is_closed
        assert silences == [True]


async def test_what_is_asked_again_keeps_its_order(redis: Redis, watcher: Redis) -> None:
    """An older value never overwrites a newer one, whenever the connection breaks."""
    asked: list[asyncio.Task[object]] = []
    for number in range(1, 2001):
        asked.append(asyncio.create_task(redis.set("newest", number)))
        if number % 200 == 0:
            await watcher.client_kill_filter(_type="normal", skipme=True)
        if number % 7 == 0:
            await asyncio.sleep(0)
    await asyncio.gather(*asked)
    assert await watcher.get("newest") == "2000"


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
        await asyncio.wait_for(waiting, 1)
    with pytest.raises(RedisConnectionError):
        await redis.ping()
