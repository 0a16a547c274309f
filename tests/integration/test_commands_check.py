"""check: what it finds when all is well, and what it says of each thing that is not."""

import socket
import tempfile
from collections.abc import Mapping
from typing import Any

import pytest
from redis.asyncio import Redis

from sandbox.gateway import Gateway
from sandbox.limited_redis import Limit, LimitedRedis
from sandbox.processes import LOOPBACK, free_port
from sandbox.redis import RedisServer
from sandbox.vidfab import VidFab
from services.supabase.schema import COLUMNS
from tests.support.cli import command
from tests.support.stopwatch import Stopwatch

VENDOR_KEYS = (
    "BYTEPLUS_API_KEY", "GOOGLE_AI_API_KEY", "WAVESPEED_API_KEY", "SHOTSTACK_API_KEY",
)  # fmt: skip


def everything(vidfab: VidFab, **more: str) -> dict[str, str]:
    """All settings that the sandbox has, with all vendors' keys."""
    return vidfab.settings("q", **{**vidfab.providers.environment, **more})


async def marks(settings: Mapping[str, str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and what is not as it should be."""
    answer = await command(settings, "check", "--json", *arguments)
    assert answer.document["ok"] == (answer.code == 0)
    return answer.code, [one for one in answer.document["checks"] if one["mark"] != "ok"]


async def failures(settings: Mapping[str, str], *arguments: str) -> list[str]:
    code, found = await marks(settings, *arguments)
    bad = [one for one in found if one["mark"] == "failed"]
    assert code == (1 if bad else 0)
    return [f"{one['area']}: {one['text']}. {one['remedy']}" for one in bad]


async def test_a_whole_set_up_passes_and_shows_no_secret(vidfab: VidFab) -> None:
    settings = everything(vidfab)
    answer = await command(settings, "check", "--live")
    assert answer.code == 0, answer.out
    assert "✗" not in answer.out
    assert "✓ PONG from redis://" in answer.out
    assert "All 8 tables are there" in answer.out
    assert "✓ Rows can be written" in answer.out
    assert "Bucket user-images: files up to 10 MiB" in answer.out
    assert "✓ ffmpeg " in answer.out
    for name in ("BytePlus", "Google", "Wavespeed", "Shotstack"):
        assert f"✓ {name} accepts the key" in answer.out
    assert "serves the model gemini-3.1-flash-image at http" in answer.out
    assert "✓ Wavespeed has credit for this account (12.50 USD)" in answer.out
    for name in (*VENDOR_KEYS, "SUPABASE_SERVICE_KEY"):
        assert settings[name] not in answer.out
    assert (await vidfab.providers.control.paid()).items == []
    again = await command(settings, "check", "--json")
    origins = {one["name"]: one["origin"] for one in again.document["settings"]}
    assert origins["SUPABASE_URL"].endswith(".env")
    assert origins["QUEUE_CONCURRENCY"] == "default"


async def test_an_address_for_traces_that_is_none_is_an_error(vidfab: VidFab) -> None:
    """The worker would start all the same, without traces."""
    wrong = everything(vidfab, OTEL_EXPORTER_OTLP_ENDPOINT="grpc://collector:4317")
    code, found = await marks(wrong)
    assert code == 1
    assert [one["text"] for one in found if one["mark"] == "failed"] == [
        "OTEL_EXPORTER_OTLP_ENDPOINT: got 'grpc://…', wants an http(s) address "
        "(not an http(s) address)"
    ]
    assert "Not checked" in [one["text"] for one in found if one["area"] == "Machine"]
    stats = await command(wrong, "stats")
    assert stats.code == 0


async def test_live_tells_a_wrong_key_of_each_vendor(vidfab: VidFab) -> None:
    wrong = everything(vidfab, **dict.fromkeys(VENDOR_KEYS, "wrong-key-wrong-key"))
    found = await failures(wrong, "--live")
    assert [one.split(" refuses")[0] for one in found] == [
        "Providers: BytePlus", "Providers: Google", "Providers: Wavespeed", "Providers: Shotstack",
    ]  # fmt: skip
    assert not any("wrong-key" in one for one in found)
    assert await failures(wrong) == []  # without --live nobody is asked
    away = f"http://{LOOPBACK}:{free_port()}"
    [asked] = await failures(everything(vidfab, SHOTSTACK_API_URL=away), "--live")
    assert "Shotstack could not be reached" in asked


async def test_a_redis_that_evicts_or_refuses(vidfab: VidFab) -> None:
    async with RedisServer() as redis, Redis.from_url(redis.url) as client:
        settings = everything(vidfab, BULLMQ_REDIS_URL=redis.url)
        await client.config_set("maxmemory-policy", "allkeys-lru")
        [policy] = await failures(settings)
        assert "maxmemory-policy is allkeys-lru" in policy
        await client.config_set("maxmemory-policy", "noeviction")
        await client.acl_setuser(
            "host", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-info"]
        )
        await client.acl_setuser(
            "poor", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-evalsha"]
        )
        await client.acl_setuser(
            "nameless", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-client"]
        )
        await client.acl_setuser(
            "idle", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-bzpopmin"]
        )
        url = f"redis://%s:pw@{LOOPBACK}:{redis.port}/0"
        code, found = await marks({**settings, "BULLMQ_REDIS_URL": url % "host"})
        assert code == 0
        assert [one["text"] for one in found if "policy" in one["text"]] == [
            "maxmemory-policy unknown: this host does not report it"
        ]
        [scripts] = await failures({**settings, "BULLMQ_REDIS_URL": url % "poor"})
        assert "Allow the user EVALSHA" in scripts
        code, found = await marks({**settings, "BULLMQ_REDIS_URL": url % "nameless"})
        assert code == 0
        assert any("does not let the worker set its name" in one["text"] for one in found)
        [waiting] = await failures({**settings, "BULLMQ_REDIS_URL": url % "idle"})
        assert "The wait for jobs is refused" in waiting
        await client.execute_command("REPLICAOF", LOOPBACK, str(free_port()))
        assert any("read-only replica" in one for one in await failures(settings))
        await client.execute_command("REPLICAOF", "NO", "ONE")
        await client.config_set("requirepass", "the-right-one")
        wrong = f"redis://:the-wrong-one@{LOOPBACK}:{redis.port}/0"
        [refused] = await failures({**settings, "BULLMQ_REDIS_URL": wrong})
        assert "refused the password; check it in BULLMQ_REDIS_URL" in refused
        assert "the-wrong-one" not in refused


async def test_a_redis_whose_plan_is_used_up(vidfab: VidFab) -> None:
    """It still answers PING: the limit shows where a job would be taken."""
    async with LimitedRedis(vidfab.redis) as limited:
        limited.limit = Limit.MONTH
        settings = everything(vidfab, BULLMQ_REDIS_URL=limited.url)
        scripts, waiting = await failures(settings)
        stats = await command(settings, "stats")
    advice = "his month's commands of its plan or budget are used up, upgrade the plan"
    assert "Scripts on the queue's keys are refused (max requests limit exceeded" in scripts
    assert "The wait for jobs is refused (max requests limit exceeded" in waiting
    assert all(advice in one and "Allow the user" not in one for one in (scripts, waiting))
    assert "refused the command (max requests limit exceeded" in stats.err
    assert advice in stats.err
    assert "rights" not in stats.err


async def test_wrong_settings_do_not_hide_the_rest(vidfab: VidFab) -> None:
    settings = everything(
        vidfab,
        BULLMQ_REDIS_URL="https://eu1-x.upstash.io",
        QUEUE_CONCURRENCY="many",
        VIDEO_COMPOSER="shotstack",
        SHOTSTACK_API_KEY="",
    )
    code, found = await marks(settings)
    assert code == 1
    said = {one["text"] for one in found if one["mark"] == "failed"}
    assert any("copy the rediss:// address from the same Upstash page" in one for one in said)
    assert any(one.startswith("QUEUE_CONCURRENCY: got 'many'") for one in said)
    assert "VIDEO_COMPOSER: got 'shotstack', wants SHOTSTACK_API_KEY set" in said
    assert len(said) == 3  # Supabase and all others were looked at, and are well
    assert [one["text"] for one in found if one["area"] == "Redis"] == ["Not checked"]
    nothing = await failures({})
    assert any("SUPABASE_URL or NEXT_PUBLIC_SUPABASE_URL: missing" in one for one in nothing)


async def test_supabase_away_or_with_another_key(vidfab: VidFab) -> None:
    [public] = await failures(
        everything(vidfab, SUPABASE_SERVICE_KEY=vidfab.supabase.publishable_key)
    )
    assert "The key is the public one" in public
    [wrong] = await failures(everything(vidfab, SUPABASE_SERVICE_KEY="sb_secret_wrong"))
    assert "refuses the key" in wrong
    assert "SUPABASE_SERVICE_KEY" in wrong
    [away] = await failures(everything(vidfab, SUPABASE_URL=f"http://{LOOPBACK}:{free_port()}"))
    assert "could not be reached" in away
    [other] = await failures(everything(vidfab, SUPABASE_URL=vidfab.providers.api_url))
    assert other.startswith("Supabase: ")


async def test_a_supabase_that_cannot_be_written_to_is_told_of(vidfab: VidFab) -> None:
    """Nothing that is only read would tell: the tables and buckets are all there."""
    async with Gateway(vidfab.supabase) as gateway:
        settings = everything(vidfab, SUPABASE_URL=gateway.url)
        assert await failures(settings) == []
        gateway.faults.is_read_only = True
        [disk] = await failures(settings)
    said = "Supabase: Rows cannot be written: cannot execute UPDATE in a read-only transaction. "
    assert disk.startswith(f"{said}The database's disk is full or nearly so")
    assert "enlarge the disk, or make room" in disk


async def test_a_supabase_over_its_quota_is_told_of(vidfab: VidFab) -> None:
    async with Gateway(vidfab.supabase) as gateway:
        gateway.faults.is_restricted = True
        [quota] = await failures(everything(vidfab, SUPABASE_URL=gateway.url))
    assert "exceed_egress_quota" in quota
    assert "look at Usage in the dashboard, and upgrade the plan or lift the spend cap" in quota


async def test_tables_and_columns_that_are_missing(
    vidfab: VidFab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COLUMNS, "no_such_table", ("id",))  # pyright: ignore
    monkeypatch.setitem(COLUMNS, "users", ("uuid", "nickname", "shoe_size"))  # pyright: ignore
    found = await failures(everything(vidfab))
    assert [one.split(". ")[0] for one in found] == [
        "Supabase: The table users lacks nickname, shoe_size",
        "Supabase: There is no table no_such_table",
    ]


async def test_a_port_in_use_is_pointed_out(vidfab: VidFab) -> None:
    port = str(vidfab.redis.port)
    code, found = await marks(everything(vidfab, HEALTH_PORT=port))
    assert code == 0
    assert [one["text"] for one in found] == [f"{LOOPBACK}:{port} is taken"]


async def test_a_folder_or_address_that_is_not_used(
    vidfab: VidFab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/proc")
    monkeypatch.setattr(tempfile, "tempdir", None)  # forget what was found before
    found = await failures(everything(vidfab, HEALTH_PORT="9100", HEALTH_HOST="192.0.2.1"))
    assert [one.split(" (")[0].split(", ")[0] for one in found] == [
        "Machine: TMPDIR=/proc cannot be written to",
        "Machine: HEALTH_HOST: cannot listen on 192.0.2.1:9100",
    ]


async def test_a_network_that_swallows_everything_is_told_in_time(vidfab: VidFab) -> None:
    """Ports of a listener that is full: connections are neither taken nor refused."""
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        filler.connect(listener.getsockname())
        there = f"{LOOPBACK}:{listener.getsockname()[1]}"
        settings = everything(
            vidfab,
            BULLMQ_REDIS_URL=f"redis://{there}/0",
            SUPABASE_URL=f"http://{there}",
            BYTEPLUS_ARK_BASE_URL=f"http://{there}",
            GOOGLE_GEMINI_BASE_URL=f"http://{there}",
            WAVESPEED_API_URL=f"http://{there}",
            SHOTSTACK_API_URL=f"http://{there}",
        )
        watch = Stopwatch()
        found = await failures(settings, "--live")
    assert len(found) == 6
    assert watch.seconds() < 13
