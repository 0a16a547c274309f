"""The audit of the locks: what it says of vulnerabilities, and of a service that knows nothing."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from sandbox.processes import LOOPBACK, free_port
from sandbox.worker_process import ROOT
from scripts.audit import Package, judge
from tests.support.server import Server, response, running

CLEAN: Package = {"name": "good", "version": "1.0", "vulns": []}
BAD: Package = {
    "name": "bad",
    "version": "2.0",
    "vulns": [
        {"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"]},
        {"id": "GHSA-2", "fix_versions": []},
    ],
}
UNKNOWN: Package = {"name": "strange", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "line", "found"),
    [
        ([CLEAN, CLEAN], "✓ lock: no known vulnerability in 2 packages", 0),
        ([CLEAN, BAD, UNKNOWN], "✗ lock: 2 known, in 2 packages", 2),
        ([CLEAN, UNKNOWN], "! lock: 1 packages are clean, NOT AUDITED are strange", 0),
        (
            [UNKNOWN] * 3,
            "! lock: NOT AUDITED, the service of vulnerabilities knows none of its 3",
            0,
        ),
    ],
    ids=["clean", "bad", "in-part", "unknown"],
)
def test_what_an_audit_says(packages: list[Package], line: str, found: int) -> None:
    verdict = judge("lock", packages)
    assert verdict.line.startswith(line)
    assert len(verdict.found) == found


async def audit(folder: Path, service: str) -> tuple[int, str]:
    """The program, on a lock of one package, with its own service of vulnerabilities."""
    lock = folder / "lock.txt"
    lock.write_text(f"httpx==0.28.1 \\\n    --hash=sha256:{'0' * 64}\n")
    options = ("--vulnerability-service=osv", f"--osv-url={service}")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, ROOT / "scripts/audit.py", *options, lock),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode().replace(str(lock), "lock")


@pytest.mark.slow
async def test_a_vulnerability_fails_the_check(tmp_path: Path) -> None:
    affected = {"package": {"name": "httpx", "ecosystem": "PyPI"}, "ranges": []}
    known = {"vulns": [{"id": "PYSEC-2026-1", "summary": "bad", "affected": [affected]}]}
    async with running(Server()) as server:
        url = server.on("/v1/query", response(json.dumps(known).encode()))
        assert await audit(tmp_path, url) == (
            1,
            "✗ lock: 1 known, in 1 packages\n"
            "  httpx 0.28.1: PYSEC-2026-1, fixed in no version yet\n",
        )
        server.on("/v1/query", response(b"{}"))
        assert await audit(tmp_path, url) == (0, "✓ lock: no known vulnerability in 1 packages\n")
        assert [one.json["package"]["name"] for one in server.requests] == ["httpx", "httpx"]


@pytest.mark.slow
async def test_a_service_that_is_away_is_not_taken_for_a_clean_lock(tmp_path: Path) -> None:
    code, said = await audit(tmp_path, f"http://{LOOPBACK}:{free_port()}/v1/query")
    assert code == 0
    assert said.startswith("! lock: NOT AUDITED, no service of vulnerabilities answers: ")
    assert "clean" not in said
