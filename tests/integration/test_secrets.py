"""Everybody whom the worker asks says its secrets aloud, and they are nowhere afterwards."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from sandbox.processes import LOOPBACK, free_port
from sandbox.providers import keys
from sandbox.providers.client import IMAGES, RENDERS
from sandbox.providers.models import Operation
from sandbox.vidfab import VidFab
from tests.support import leaks
from tests.support.cli import command
from tests.support.clips import SYNC, clip, lay_clips, sync
from tests.support.compositions import clip as ready_clip
from tests.support.compositions import options, payload
from tests.support.recordings import PROJECT, USER
from tests.support.server import Server, response, running
from tests.support.site import Site
from tests.support.storyboards import generating

REDIS_PASSWORD = "redis+pass/word:with@signs"
HEALTH_TOKEN = "health-token-of-the-operators"
DSN_KEY = "0123456789abcdef0123456789abcdef"
SIGNATURE = "c0ffee5161a7u4e"
SLACK = "/services/T0/B0/slack-token-0123456789"
DISCORD = "/api/webhooks/1/discord-token-0123456789"
SENTRY = "/api/42/envelope/"
OPERATION = "models/veo-3.0-generate/operations/op3"
VIDEO = {"videoId": "temp-1", "userId": USER}


def told(*secrets: str) -> str:
    """What a careless service says; its address is signed, too."""
    signed = f"https://keys.example/help?X-Signature={SIGNATURE}&x=1"
    return f"Incorrect key: {', '.join(secrets)} (Bearer {secrets[0]}), see {signed}"


def secrets_of(vidfab: VidFab, *more: str) -> tuple[str, ...]:
    webhooks = ("slack-token-0123456789", "discord-token-0123456789", DSN_KEY)
    own = (REDIS_PASSWORD, HEALTH_TOKEN, SIGNATURE, *webhooks)
    return (*leaks.planted(vidfab), *own, *more)


@pytest.fixture
async def hooks() -> AsyncIterator[Server]:
    """Slack takes messages, Discord and Sentry refuse them and quote the address."""
    async with running(Server()) as server:
        quoted = response(told(server.url(DISCORD), DSN_KEY).encode(), status="400 Bad Request")
        server.on(SLACK, response(b"ok"))
        server.on(DISCORD, quoted)
        server.on(SENTRY, quoted)
        yield server


async def settings_of(site: Site, hooks: Server, port: int) -> dict[str, str]:
    """All secrets that there are; Redis wants a password of the worker."""
    user = f"worker-{site.queue}"
    async with Redis.from_url(site.redis.url) as redis:
        await redis.acl_setuser(
            user, enabled=True, passwords=[f"+{REDIS_PASSWORD}"], commands=["+@all"], keys=["*"],
            channels=["*"],
        )  # fmt: skip
    password = REDIS_PASSWORD.replace("/", "%2F").replace("@", "%40").replace(":", "%3A")
    return {
        **site.vidfab.providers.environment,
        "BULLMQ_REDIS_URL": f"redis://{user}:{password}@{LOOPBACK}:{site.redis.port}/0",
        "SLACK_WEBHOOK_URL": hooks.url(SLACK),
        "DISCORD_WEBHOOK_URL": hooks.url(DISCORD),
        "SENTRY_DSN": f"http://{DSN_KEY}@{LOOPBACK}:{hooks.port}/42",
        "HEALTH_PORT": str(port),
        "HEALTH_TOKEN": HEALTH_TOKEN,
        "BYTEPLUS_IMAGE_MAX_RETRIES": "0",
        "LOG_LEVEL": "trace",
        "LOG_FORMAT": "json",
    }


async def let_all_tell(site: Site) -> None:
    """Every provider, in its errors, in what it made, and in answers with status 200."""
    control = site.vidfab.providers.control
    said = {"error": {"code": "InvalidParameter", "message": told(keys.BYTEPLUS)}}
    await control.fail(IMAGES, 400, body=said, nth=1)
    await control.fail(IMAGES, 200, body={"data": [said]}, nth=2)
    await control.fail(IMAGES, 500, body=told(keys.BYTEPLUS), times=9)
    refused = {"response": {"error": told(keys.SHOTSTACK)}}
    await control.fail(RENDERS, 400, body=refused, times=1)
    await control.fail("/hostile/*", 403, body=told(keys.GOOGLE))
    for kind, operation_id, key in (
        ("tasks", "t1", keys.BYTEPLUS),
        ("predictions", "p2", keys.WAVESPEED),
        ("operations", OPERATION, keys.GOOGLE),
    ):
        operation = Operation(final="failed", after_s=0, error_message=told(key))
        await control.register(kind, operation_id, operation)


async def lay_out(site: Site) -> None:
    await lay_clips(
        site.vidfab,
        clip(1),
        clip(2, seedance_task_id=None, video_request_id="p2"),
        clip(3, seedance_task_id=None, video_request_id=OPERATION),
    )
    await site.vidfab.supabase.insert("project_storyboards", generating(1, 2, 3))


async def run_jobs(site: Site) -> dict[str, str]:
    """All jobs that meet somebody who tells; what each failed with."""
    shots = [{"shot_number": n, "description": "A door"} for n in (1, 2, 3)]
    storyboards = {"userId": USER, "projectId": PROJECT, "shots": shots, "characters": []}
    ids = [await site.app.add("storyboard_generation", storyboards, {"attempts": 1, "priority": 2})]
    url = f"{site.vidfab.providers.media_url}/hostile/a.mp4?X-Signature={SIGNATURE}"
    ids.append(await site.app.add("download_video", {**VIDEO, "originalUrl": url}, {"priority": 4}))
    await sync(site)
    await site.end_of(SYNC)
    done = ready_clip(9, f"{site.vidfab.providers.media_url}/clip/a.mp4?seconds=2")
    await site.vidfab.supabase.insert("project_video_clips", [done])
    ids.append(await site.app.add("va_compose_video", payload(), options(attempts=1)))
    reasons = {job_id: (await site.ended(job_id)).failed_reason or "" for job_id in ids}
    assert [job_id for job_id in ids if not reasons[job_id]] == []
    return reasons


async def shown(port: int, *job_ids: str) -> dict[str, str]:
    """What the endpoints say, to those with the token and to others."""
    places: dict[str, str] = {}
    async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}") as client:
        for token in (HEALTH_TOKEN, f"{HEALTH_TOKEN}x"):
            headers = {"authorization": f"Bearer {token}"}
            for path in (
                "/",
                "/stats",
                "/metrics",
                "/readyz",
                *(f"/jobs/{one}" for one in job_ids),
            ):
                answer = await client.get(path, headers=headers)
                places[f"{path} {answer.status_code}"] = answer.text + str(answer.headers)
    return places


async def test_no_secret_is_left_by_providers_that_tell_them(site: Site, hooks: Server) -> None:
    port = free_port()
    settings = await settings_of(site, hooks, port)
    await lay_out(site)
    await let_all_tell(site)
    await site.worker(**settings)
    reasons = await run_jobs(site)
    # They did tell: what is left of it can be read.
    assert sum("Incorrect key: ***" in reason for reason in reasons.values()) == 1, reasons
    queued = await leaks.in_redis(site.redis.url, f"bull:{site.queue}:*")
    assert "Incorrect key: ***" in queued[f"bull:{site.queue}:va_compose_{PROJECT}"]
    rows = await leaks.in_rows(site.vidfab.supabase)
    assert not any("***" in rows[one] for one in ("project_storyboards", "project_video_clips"))
    logged = "".join(leaks.in_logs(site.folder).values())
    assert len(re.findall(r"Clip \d has failed: .*Incorrect key: \*\*\*", logged)) == 3
    assert len(re.findall(r"Shot \d failed: .*\*\*\*", logged)) >= 3
    places = await shown(port, *reasons)
    checked = await command({**site.vidfab.settings(site.queue), **settings}, "check", "--live")
    listed = await command({**site.vidfab.settings(site.queue), **settings}, "jobs", "failed")
    bodies = "\n".join(one.body.decode() for one in await hooks.until(SLACK, 2))
    places |= {"check": checked.out + checked.err, "jobs": listed.out, "Slack": bodies}
    places |= leaks.in_logs(site.folder) | rows | await leaks.in_storage(site.vidfab.supabase)
    places |= without_data(await leaks.in_redis(site.redis.url, f"bull:{site.queue}:*"))
    assert leaks.found(secrets_of(site.vidfab), places) == []


def without_data(keys_of_redis: dict[str, str]) -> dict[str, str]:
    """A signed address is what the job is about: it stands in the data, and nowhere else."""
    signed = f'?X-Signature={SIGNATURE}"'
    return {
        key: "\n".join(line for line in text.splitlines() if not _is_data(line, signed))
        for key, text in keys_of_redis.items()
    }


def _is_data(line: str, signed: str) -> bool:
    return signed in line and "originalUrl" in json.loads(line)


async def test_no_secret_is_left_by_a_supabase_that_tells_them(site: Site) -> None:
    key = site.vidfab.supabase.service_key
    said: dict[str, Any] = {"message": told(key), "code": "42501", "details": key, "hint": key}
    answer = response(json.dumps(said).encode(), status="403 Forbidden")
    async with running(Server()) as supabase:
        for table in ("users", "user_videos", "video_agent_projects", "project_storyboards"):
            supabase.on(f"/rest/v1/{table}", answer)
        worker = await site.worker(
            SUPABASE_URL=supabase.url(""), LOG_LEVEL="trace", SHUTDOWN_GRACE_S="0"
        )
        jobs = [
            ("va_compose_video", {"userId": USER, "projectId": PROJECT}),
            ("update_quota", {"userId": USER, "operation": "recalculate"}),
        ]
        ids = [await site.app.add(name, data, {"priority": 2}) for name, data in jobs]
        reasons = await asyncio.gather(*(site.ended(job_id) for job_id in ids))
        await worker.stop()
    places = leaks.in_logs(site.folder)
    places |= await leaks.in_redis(site.redis.url, f"bull:{site.queue}:*")
    composed, counted = (one.failed_reason or "" for one in reasons)
    assert "because of a problem on our side" in composed
    assert "Incorrect key: ***" in counted
    assert "Incorrect key: ***" in places[f"bull:{site.queue}:{ids[0]}"]
    assert leaks.found([key, SIGNATURE], places) == []
