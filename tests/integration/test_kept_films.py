"""What is kept of films, in a real Redis, and rows that stay fresh in a real Supabase."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.address import RedisAddress
from bullmq_consumer.redis.clients import connect
from bullmq_consumer.redis.pipelined_client import PipelinedClient
from config.settings import Settings
from handlers._film.heartbeat import beating
from sandbox.chaos.troubled_supabase import Trouble, TroubledSupabase
from sandbox.vidfab import VidFab
from services.bundle import Services
from services.films.kept import LIFE, Kept, KeptFilms
from services.films.renders import Order
from services.supabase.projects import Project
from tests.support.compositions import lay_project, project_row
from tests.support.handle import RecordingHandle, context
from tests.support.recordings import PROJECT, USER

FIRST, SECOND = Order("r-1", 1000.5), Order("r-2", 2000.25)
ROWS = "/rest/v1/video_agent_projects"


@pytest.fixture
async def redis(vidfab: VidFab) -> AsyncIterator[PipelinedClient]:
    client = connect(RedisAddress(vidfab.redis.url))
    yield client
    await client.aclose()


@pytest.fixture
def films(redis: PipelinedClient) -> KeptFilms:
    return KeptFilms(redis, QueueName(f"q-{uuid4().hex}"))


async def test_an_order_and_its_film_are_found_again_for_a_day(
    films: KeptFilms, redis: PipelinedClient
) -> None:
    film = films.of(PROJECT, "t")
    assert await film.find() == Kept()
    await film.keep(FIRST)
    assert await films.of(PROJECT, "t").find() == Kept(FIRST)
    await film.keep_stored('{"composed": true}')
    assert await films.of(PROJECT, "t").find() == Kept(FIRST, '{"composed": true}')
    left_s = await redis.ttl(films.key(PROJECT))
    assert LIFE.total_seconds() - 3600 < left_s <= LIFE.total_seconds()


async def test_what_is_kept_of_another_timeline_or_project_is_not_found(films: KeptFilms) -> None:
    await films.of(PROJECT, "t").keep(FIRST)
    assert await films.of(PROJECT, "u").find() == Kept()
    assert await films.of(USER, "t").find() == Kept()


async def test_a_new_order_takes_the_place_of_what_was_kept(films: KeptFilms) -> None:
    old, new = films.of(PROJECT, "t"), films.of(PROJECT, "u")
    await old.keep(FIRST)
    await old.keep_stored("{}")
    await new.keep(SECOND)
    assert await new.find() == Kept(SECOND)
    assert await old.find() == Kept()


async def test_a_worker_that_is_late_replaces_nothing(films: KeptFilms) -> None:
    late, new = films.of(PROJECT, "t"), films.of(PROJECT, "u")
    await new.keep(SECOND)
    await late.keep(FIRST)
    await late.keep_stored("{}")
    await late.forget(FIRST)
    assert await new.find() == Kept(SECOND)


async def test_a_film_of_this_machine_is_not_found_before_it_is_stored(films: KeptFilms) -> None:
    """Its beginning takes the place of another film, whose object it is about to overwrite."""
    old, new = films.of(PROJECT, "t"), films.of(PROJECT, "u")
    await old.keep(FIRST)
    await old.keep_stored("{}")
    await new.begin(SECOND.at)
    assert (await old.find(), await new.find()) == (Kept(), Kept())
    await new.keep_stored("{}")
    assert await new.find() == Kept(None, "{}")


async def test_what_is_forgotten_is_not_found(films: KeptFilms) -> None:
    film = films.of(PROJECT, "t")
    await film.keep(FIRST)
    await film.forget(FIRST)
    assert await film.find() == Kept()


async def test_a_claim_is_one_workers_until_it_lapses(
    films: KeptFilms, redis: PipelinedClient
) -> None:
    one, other = films.of(PROJECT, "t"), films.of(PROJECT, "t")
    assert [await one.claim(), await one.claim(), await other.claim()] == [Kept(), Kept(), None]
    assert 0 < await redis.pttl(films.key(PROJECT)) <= 30_000, "nothing is left of a dead worker"
    await redis.hset(films.key(PROJECT), "claimed_until", "1")
    assert [await other.claim(), await one.claim()] == [Kept(), None]


async def test_a_claim_is_left_when_the_order_is_placed_or_refused(films: KeptFilms) -> None:
    one, other = films.of(PROJECT, "t"), films.of(PROJECT, "t")
    assert await one.claim() == Kept()
    async with one.claimed():
        assert await other.claim() is None
    assert await one.claim() == Kept()
    async with one.claimed():
        await one.keep(FIRST)
        assert await other.claim() == Kept(FIRST), "the claim takes nothing away"
    assert await one.claim() is None, "the end of the block leaves no claim but its own"


async def test_a_worker_leaves_no_claim_but_its_own(films: KeptFilms) -> None:
    one, other = films.of(PROJECT, "t"), films.of(PROJECT, "t")
    assert await one.claim() is not None
    async with other.claimed():
        pass
    assert await other.claim() is None


async def moved(vidfab: VidFab, before: str) -> None:
    """Until the row has another time than before; only an update gives it one."""
    async with asyncio.timeout(60):
        while (await project_row(vidfab))["updated_at"] == before:  # noqa: ASYNC110 (a database)
            await asyncio.sleep(0.05)


async def test_a_project_stays_fresh_while_its_film_is_made(vidfab: VidFab) -> None:
    """Also after a time in which Supabase could not be reached; only while it is being made."""
    await lay_project(vidfab, [4], [], step_6_status="processing")
    async with TroubledSupabase(vidfab.supabase) as supabase:
        services = Services(Settings(**settings(vidfab, supabase.url)))
        ctx: Any = context(RecordingHandle(), services=services)
        project = Project(id=PROJECT, user_id=USER)
        before = (await project_row(vidfab))["updated_at"]
        supabase.trouble(Trouble("503", ROWS, times=4))
        async with beating(ctx, project, timedelta(milliseconds=10)):
            await moved(vidfab, before)
        assert supabase.met == 4
        await vidfab.supabase.update(
            "video_agent_projects", {"step_6_status": "failed"}, id=f"eq.{PROJECT}"
        )
        settled = await project_row(vidfab)
        asked = len(supabase.seen)
        async with beating(ctx, project, timedelta(milliseconds=10)), asyncio.timeout(60):
            while len(supabase.seen) < asked + 4:  # noqa: ASYNC110 (another server)
                await asyncio.sleep(0.01)
        assert await project_row(vidfab) == settled
        await services.aclose()


def settings(vidfab: VidFab, supabase_url: str) -> dict[str, str]:
    return vidfab.settings("none", SUPABASE_URL=supabase_url)
