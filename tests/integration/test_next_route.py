"""The route for the Next.js app, run by Node, against a real worker's endpoint."""

import asyncio
import json
from pathlib import Path
from typing import Any

from sandbox import node
from sandbox.processes import free_port
from tests.support.clips import SYNC, lay_clips, sync
from tests.support.site import Site

ROUTE = Path(__file__).parents[2] / "examples/route.ts"
_ASK = """
const { GET } = await import(process.argv[1]);
const found = [];
for (const [path, token] of JSON.parse(process.argv[2])) {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await GET(new Request("http://app/", { headers }), { params: { path } });
  found.push([answer.status, await answer.json()]);
}
console.log(JSON.stringify(found));
"""


async def ask(port: int, *questions: tuple[list[str], str]) -> list[tuple[int, Any]]:
    runtime = await node.install()
    process = await asyncio.create_subprocess_exec(
        *(runtime.executable, "--experimental-strip-types", "--no-warnings"),
        *("--input-type=module", "--eval", _ASK, ROUTE.as_uri(), json.dumps(questions)),
        env={
            "WORKER_URL": f"http://127.0.0.1:{port}",
            "WORKER_TOKEN": "the worker's",
            "QUEUE_API_TOKEN": "the app's",
        },
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return json.loads(output)


async def test_the_route_answers_for_the_worker(site: Site) -> None:
    await lay_clips(site.vidfab)
    port, ours = free_port(), "the app's"
    await site.worker(HEALTH_PORT=str(port), HEALTH_TOKEN="the worker's")
    await site.app.pause()
    await sync(site)
    stats, job, none, other, stranger = await ask(
        port,
        (["stats"], ours),
        (["jobs", SYNC], ours),
        (["jobs", "none"], ours),
        (["metrics"], ours),
        (["stats"], "nobody's"),
    )
    assert (stats[0], stats[1]["queue"]["waiting"]) == (200, 1)
    assert (job[0], job[1]["state"]) == (200, "prioritized")
    assert [one[0] for one in (none, other, stranger)] == [404, 404, 401]
