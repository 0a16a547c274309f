"""What a stop says of the jobs that run."""

from sandbox.processes import Process
from tests.support.small_site import SmallSite


def stop_lines(worker: Process) -> list[str]:
    lines = worker.log.read_text("utf-8").splitlines()
    return [line for line in lines if "INFO Stop" in line]


async def test_it_says_how_many_jobs_it_waits_for_and_what_became_of_them(
    site: SmallSite,
) -> None:
    worker = await site.worker(concurrency=2)
    for data in ({"until_stop": True}, {"sleep": 3600}):
        await site.app.wait_for(await site.add("x", data), "progress")
    assert await worker.stop() == 0
    assert stop_lines(worker) == [
        "INFO Stopping. Jobs that have up to 1 s to end: 2",
        "INFO Stopped. Jobs that ended: 1, that were handed back: 1",
    ]


async def test_it_says_nothing_where_no_job_runs(site: SmallSite) -> None:
    worker = await site.worker()
    assert await worker.stop() == 0
    assert not stop_lines(worker)
