"""The benchmark's work at a distance, done over TLS by this worker and by the plain one in Node."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.distance.places import Hire, Land, Place, Trust, nodes, ours
from bench.distance.work import CLIPS, Work
from bench.setup import QUICK, Bench
from sandbox.vidfab import VidFab

SHOTS = 4


@pytest.mark.parametrize("worker", [ours, nodes], ids=["ours", "node"])
async def test_both_workers_do_all_of_it(
    vidfab: VidFab, tmp_path: Path, worker: Callable[[Bench], Hire]
) -> None:
    bench = Bench(vidfab, tmp_path, QUICK)
    work, trust = await Work.ready(bench), await asyncio.to_thread(Trust.made, bench)
    async with Land(bench, trust).at(Place(1, 2, tls=True), worker(bench)) as far:
        await work.storyboards(far, SHOTS)
        await work.sync(far)
        await work.compose(far)
        await work.download(far)
        await work.quota(far)
        await work.quotas(far, 10)
        stored = f"{far.supabase_url}/storage/v1/object/public/"
        assert far.supabase.opened > 0
    pictures = await _rows(vidfab, "project_storyboards", status="eq.success")
    assert {row["storage_status"] for row in pictures} == {"completed"}
    assert len({row["cdn_url"] for row in pictures}) == SHOTS + 1
    clips = await _rows(vidfab, "project_video_clips", seedance_task_id="not.is.null")
    assert sum((row["cdn_url"] or "").startswith(stored) for row in clips) == CLIPS
    [film] = await _rows(vidfab, "video_agent_projects", step_6_status="eq.completed")
    assert film["final_video_url"].startswith(stored)
    steps = await _rows(vidfab, "video_agent_projects", step_3_status="eq.completed")
    assert len(steps) == 1


async def _rows(vidfab: VidFab, table: str, **filters: str) -> list[dict[str, Any]]:
    return await vidfab.supabase.rows(table, **filters)
