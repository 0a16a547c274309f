"""stats, jobs, job, retry and enqueue, against the queue of the real Node BullMQ."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from sandbox.app import Project, Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import LOOPBACK, free_port
from sandbox.redis import RedisServer
from sandbox.vidfab import VidFab
from tests.support.cli import Answer, command
from tests.support.site import Site

PROJECT = "0f8fad5b-d9cb-469f-a165-70867728950e"
COMPOSE = {"userId": "u1", "projectId": PROJECT}


async def asked(site: Site, *arguments: str, stdin: str = "") -> Answer:
    return await command(site.vidfab.settings(site.queue), *arguments, stdin=stdin)


async def test_an_empty_queue_says_so_in_words(site: Site) -> None:
    stats = await asked(site, "stats")
    assert stats.code == 0
    assert f"The queue is empty: {site.queue} holds no job" in stats.out
    assert "No worker is connected: start one with `python worker.py`." in stats.out
    assert (await asked(site, "jobs")).out == "No job is failed; the queue holds no other.\n"
    assert (await asked(site, "retry", "--all-failed")).out == "No failed job to retry.\n"
    document = (await asked(site, "stats", "--json")).document
    assert document["counts"]["ready"] == 0
    assert document["jobs"] == {}
    assert document["oldest_waiting"] is None
    assert document["workers"] == []
    unknown = await asked(site, "job", "nobody")
    assert (unknown.code, unknown.out) == (1, "")
    assert f"The queue {site.queue} has no job nobody" in unknown.err
    assert (await asked(site, "job", "nobody", "--json")).document["error"].startswith("The queue")


async def test_all_jobs_of_a_large_queue_are_counted_by_name(site: Site) -> None:
    names = ("one", "two", "three", "four")
    for name in names:  # each name's jobs stand together
        await site.app.add_bulk([{"name": name, "data": {}, "opts": {}}] * 12_500)
    last = {"name": "last", "data": {}, "opts": {"priority": 2, "jobId": "last-1"}}
    await site.app.add_bulk([{"name": "two", "data": {}, "opts": {"priority": 1}}] * 1001 + [last])

    counted = (await asked(site, "stats", "--json")).document
    assert counted["counts"]["ready"] == 51_002
    assert counted["jobs"] == {
        **{name: {"wait": 12_500} for name in names},
        "two": {"wait": 12_500, "prioritized": 1001},
        "last": {"prioritized": 1},
    }
    listed = (await asked(site, "jobs", "--state", "waiting", "--name", "four", "--json")).document
    assert {job["name"] for job in listed["jobs"]} == {"four"}
    other = await asked(site, "jobs", "--state", "waiting", "--name", "other")
    assert other.out == (
        "No job called other is waiting, but 50000 of other names are; "
        "the queue holds 1002 prioritized.\n"
    )
    last_one = await asked(site, "jobs", "--state", "prioritized", "--name", "last", "--json")
    assert [job["id"] for job in last_one.document["jobs"]] == ["last-1"]
    await site.app.obliterate()


async def test_a_name_that_no_job_has_does_not_empty_the_queue(site: Site) -> None:
    await site.app.add("one", {}, {})
    other = await asked(site, "jobs", "--state", "waiting", "--name", "other")
    assert other.out == "No job called other is waiting, but 1 of other names is.\n"


async def test_node_sees_an_added_job_as_one_of_the_apps(site: Site) -> None:
    data = json.dumps(COMPOSE)
    added = await asked(
        site, "enqueue", "va_compose_video", "--data", "-", "--id", "va_x", "--json", stdin=data
    )
    assert added.code == 0
    assert added.document["id"] == "va_x"
    job = await site.app.job("va_x")
    assert job is not None
    assert (job.name, job.state, job.priority) == ("va_compose_video", "prioritized", 3)
    assert job.data == {
        **COMPOSE,
        "jobId": "va_x",
        "createdAt": added.document["data"]["createdAt"],
    }
    backoff = {"type": "exponential", "delay": 60_000}
    kept = {"attempts": 3, "backoff": backoff, "removeOnComplete": 50, "removeOnFail": 20}
    assert kept.items() <= job.opts.items()

    again = await asked(site, "enqueue", "va_compose_video", "--data", data, "--id", "va_x")
    assert again.code == 1
    assert "already has a job va_x, which is prioritized: nothing was added" in again.err
    assert sum((await site.app.counts()).values()) == 1


async def test_an_added_job_may_wait_and_have_its_own_attempts(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text(json.dumps(COMPOSE), "utf-8")
    options = ("--priority", "1", "--attempts", "7", "--delay", "10m")
    added = await asked(site, "enqueue", "va_compose_video", "--data", f"@{file}", *options)
    assert added.code == 0
    assert "ready in 10 min 0 s" in added.out
    [job] = await site.app.jobs("delayed")
    assert job.id.startswith("va_compose_video_")
    assert (job.priority, job.opts["attempts"], job.delay) == (1, 7, 600_000)


GOOD = json.dumps(COMPOSE)
REFUSALS = (
    (("va_compose", "--data", "{}"), "Did you mean va_compose_video?"),
    (("va_compose_video", "--data", "{}"), "'userId': field required"),
    (("va_compose_video", "--data", "{}"), "'projectId': field required"),
    (("va_compose_video", "--data", "[1]"), "is not an object"),
    (("va_compose_video", "--data", "{"), "--data is not JSON"),
    (("va_compose_video", "--data", "@/no/such"), "/no/such cannot be read"),
    (("va_compose_video", "--data", GOOD, "--id", "a:b"), "holds no colon"),
    (("va_compose_video", "--data", GOOD, "--id", "17"), "is no number"),
    (("va_compose_video", "--data", GOOD, "--id", "meta"), "keeps what it needs under meta"),
    (("va_compose_video", "--data", '{"x": 1e999}'), "--data is not JSON"),
)


async def test_what_the_queue_must_not_hold_is_not_added(site: Site) -> None:
    for arguments, said in REFUSALS:
        answer = await asked(site, "enqueue", *arguments)
        assert (answer.code, answer.out) == (1, "")
        assert said in answer.err
        assert all(line.startswith("✗ ") for line in answer.err.splitlines())
    for arguments in (
        ("--priority", "0"), ("--attempts", "x"), ("--delay", "soon"), ("--delay", "9" * 20 + "d"),
    ):  # fmt: skip
        answer = await asked(site, "enqueue", "va_compose_video", "--data", GOOD, *arguments)
        assert answer.code == 2
    assert sum((await site.app.counts()).values()) == 0


async def test_a_failed_job_is_found_explained_and_retried(site: Site) -> None:
    url = "https://media.example.com/a.mp4?X-Signature=secret-part"
    data = {**COMPOSE, "url": url, "apiKey": "hidden-1", "note": site.vidfab.supabase.service_key}
    site.told.add(site.vidfab.supabase.service_key)
    options = {"jobId": "va_1", "priority": 2, "attempts": 3, "removeOnFail": 20}
    await site.app.add("va_compose_video", data, options)
    await site.worker()
    await site.finished("va_1")

    listed = await asked(site, "jobs", "--name", "va_compose_video")
    assert "va_1" in listed.out
    assert "does not exist" in listed.out
    other = await asked(site, "jobs", "--state", "completed")
    assert other.out == "No job is completed; the queue holds 1 failed.\n"
    assert (await asked(site, "jobs", "--name", "other", "--json")).document["jobs"] == []
    stats = await asked(site, "stats")
    assert "vidfab-" in stats.out  # the connected worker

    for arguments in (("job", "va_1"), ("job", "va_1", "--json"), ("job", "va_1", "--full")):
        shown = await asked(site, *arguments)
        assert shown.code == 0
        assert "does not exist" in shown.out
        assert "hidden-1" not in shown.out
        assert site.vidfab.supabase.service_key not in shown.out
        assert ("secret-part" in shown.out) == ("--full" in arguments)
    document: dict[str, Any] = (await asked(site, "job", "va_1", "--json")).document
    assert (document["state"], document["attempts_made"], document["attempts"]) == ("failed", 1, 3)
    events = [one["event"] for one in document["timeline"] if one["event"] != "progress"]
    assert events == ["added", "waiting", "active", "failed"]

    unconfirmed = await asked(site, "retry", "--all-failed")
    assert (unconfirmed.code, unconfirmed.err) == (
        1,
        "✗ 1 job would be retried: add --yes to confirm\n",
    )
    assert (await asked(site, "retry", "va_1")).out == "1 job back in the queue.\n"
    await site.app.wait_for("va_1", "failed", count=2)
    job = await site.app.job("va_1")
    assert job is not None
    assert (job.attempts_made, job.priority) == (1, 2)


async def test_a_retried_job_keeps_its_priority_and_has_all_its_attempts(site: Site) -> None:
    """Without a worker, so that Node can look at what waits."""
    options = {"priority": 2, "attempts": 1, "removeOnFail": 20}
    worker = await site.worker()
    for job_id in ("a", "b"):
        await site.app.add("va_compose_video", COMPOSE, {**options, "jobId": job_id})
        await site.finished(job_id)
    await worker.stop()
    await site.app.add("va_compose_video", COMPOSE, {"priority": 3, "jobId": "later"})
    await site.app.pause()

    named = ("--all-failed", "--name", "va_compose_video", "--yes", "--json")
    answer = await asked(site, "retry", *named)
    assert answer.document == {"retried": ["a", "b"], "refused": []}
    again = await asked(site, "retry", "a", "nobody", "--json")
    assert again.code == 1
    reasons = [one["reason"] for one in again.document["refused"]]
    assert reasons == [
        "Job a is prioritized: only failed jobs can be retried",
        f"The queue {site.queue} has no job nobody",
    ]
    waiting = await site.app.jobs("prioritized")
    assert [(job.id, job.priority, job.attempts_made) for job in waiting] == [
        ("a", 2, 0),
        ("b", 2, 0),
        ("later", 3, 0),
    ]
    await site.app.resume()  # which could lose jobs that stand in `wait`
    assert len(await site.app.jobs("prioritized")) == 3


async def test_a_job_without_a_priority_is_not_put_where_a_resume_loses_it(site: Site) -> None:
    worker = await site.worker()
    await site.app.add("va_compose_video", COMPOSE, {"jobId": "plain", "removeOnFail": 20})
    await site.finished("plain")
    await worker.stop()
    [listed] = (await asked(site, "jobs", "--json")).document["jobs"]
    assert (listed["attempts_made"], listed["attempts"]) == (1, 1)
    await site.app.pause()
    refused = await asked(site, "retry", "plain")
    assert refused.code == 1
    assert "resume the queue first" in refused.err
    await site.app.resume()
    assert (await asked(site, "retry", "plain")).code == 0
    assert [job.id for job in await site.app.jobs("waiting")] == ["plain"]


async def test_storyboards_that_failed_for_good_are_bought_by_a_retry(site: Site) -> None:
    """As the help of `retry` says: what is there is not bought again, failed rows come to life."""
    control = site.vidfab.providers.control
    user = await create_user(site.vidfab.supabase)
    shots = [Shot(1, "SHOT-1 a door"), Shot(2, "SHOT-2 a window")]
    project = await create_project(site.vidfab.supabase, user, shots)
    await control.fail("/ark/*", 500, times=100)
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0")
    job_id = await enqueue_storyboards(
        site.app, site.vidfab.supabase, project, attempts=1, backoff_ms=10
    )
    await site.finished(job_id)
    assert await _states(site, project) == ({"failed"}, "failed")

    await control.reset()
    assert (await asked(site, "retry", job_id)).code == 0
    await site.app.wait_for(job_id, "completed")
    assert await _states(site, project) == ({"success"}, "completed")


async def _states(site: Site, project: Project) -> tuple[set[str], str]:
    supabase = site.vidfab.supabase
    rows = await supabase.rows("project_storyboards", project_id=f"eq.{project.id}")
    [own] = await supabase.rows("video_agent_projects", id=f"eq.{project.id}")
    return {row["status"] for row in rows}, own["step_3_status"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("stats",),
        ("jobs",),
        ("job", "x"),
        ("retry", "x"),
        ("enqueue", "va_compose_video", "--data", json.dumps(COMPOSE)),
    ],
)
async def test_without_redis_each_says_where_it_looked(arguments: tuple[str, ...]) -> None:
    port = free_port()
    settings = {
        "BULLMQ_REDIS_URL": f"redis://:pass-word@{LOOPBACK}:{port}/0",
        "SUPABASE_URL": f"http://{LOOPBACK}:1",
        "SUPABASE_SERVICE_KEY": f"sb_secret_{uuid4().hex}",
    }
    answer = await command(settings, *arguments)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith(f"✗ Redis at redis://{LOOPBACK}:{port}/0 does not answer")
    assert "check that it runs" in answer.err
    assert "pass-word" not in answer.err


async def test_a_redis_that_falls_silent_is_not_waited_for(vidfab: VidFab) -> None:
    async with await asyncio.start_server(_say_nothing, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"redis://{LOOPBACK}:{port}/0"
        answer = await command(vidfab.settings("q", BULLMQ_REDIS_URL=url), "stats")
    assert (answer.code, answer.out) == (1, "")
    assert f"✗ Redis at {url} does not answer" in answer.err


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the other side gives up
    writer.close()


async def test_a_redis_that_refuses_is_not_said_to_be_away(vidfab: VidFab) -> None:
    async with RedisServer() as redis, Redis.from_url(redis.url) as client:
        await client.execute_command("REPLICAOF", LOOPBACK, str(free_port()))
        settings = vidfab.settings("q", BULLMQ_REDIS_URL=redis.url)
        answer = await command(settings, "enqueue", "va_compose_video", "--data", GOOD)
    assert (answer.code, answer.out) == (1, "")
    assert "refused the command" in answer.err
    assert "read-only replica" in answer.err


async def test_wrong_settings_are_a_line_each(tmp_path: Path) -> None:
    settings = {"QUEUE_CONCURRENCY": "many", "REDIS_URL": "https://x.upstash.io"}
    answer = await command(settings, "stats")
    assert (answer.code, answer.out) == (1, "")
    assert len(answer.err.splitlines()) == 4
