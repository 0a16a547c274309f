"""What check says of Supabase's key: the variable it was read from, and the older kind."""

import base64
import json
from collections.abc import AsyncIterator

import pytest

from commands.checks.finding import Finding, Mark
from commands.checks.project import AREA
from core.paths import Bucket
from services.supabase.schema import COLUMNS
from tests.support.cli import command
from tests.support.server import Server, response, running

CLAIMS = base64.urlsafe_b64encode(json.dumps({"role": "service_role"}).encode()).decode()
OLDER = f"eyJhbGciOiJIUzI1NiJ9.{CLAIMS.rstrip('=')}.c2ln"
NEWER = "sb_secret_12345678"


@pytest.fixture
async def supabase() -> AsyncIterator[Server]:
    """A project that has all that is looked for."""
    kind = {"content_type": "application/json"}
    buckets = [{"id": bucket, "public": True} for bucket in Bucket]
    async with running(Server()) as server:
        for table in COLUMNS:
            server.on(f"/rest/v1/{table}", response(b"[]", **kind))
        server.on("/storage/v1/bucket", response(json.dumps(buckets).encode(), **kind))
        yield server


async def found(supabase: Server, **keys: str) -> list[Finding]:
    answer = await command({"SUPABASE_URL": supabase.url(""), **keys}, "check", "--json")
    findings = [Finding(**one) for one in answer.document["checks"]]
    return [one for one in findings if one.area == AREA]


def warnings(findings: list[Finding]) -> list[str]:
    return [f"{one.text}. {one.remedy}" for one in findings if one.mark != Mark.OK]


async def test_an_older_key_is_warned_of_by_its_variable(supabase: Server) -> None:
    findings = await found(supabase, SUPABASE_SERVICE_ROLE_KEY=OLDER)
    assert findings[0].text == f"{supabase.url('')} accepts the key in SUPABASE_SERVICE_ROLE_KEY"
    [said] = warnings(findings)
    assert said.startswith("SUPABASE_SERVICE_ROLE_KEY holds a key of the older kind, which")
    assert "one that begins with sb_secret_ wins" in said


async def test_a_newer_key_beside_it_is_the_one_that_is_sent(supabase: Server) -> None:
    findings = await found(supabase, SUPABASE_SERVICE_KEY=OLDER, SUPABASE_SECRET_KEY=NEWER)
    assert findings[0].text == f"{supabase.url('')} accepts the key in SUPABASE_SECRET_KEY"
    assert warnings(findings) == []
    assert {one.headers["apikey"] for one in supabase.requests} == {NEWER}


async def test_an_older_key_that_is_refused_is_told_to_be_one(supabase: Server) -> None:
    refused = response(b'{"message": "Legacy API keys are disabled"}', status="401 Unauthorized")
    for table in COLUMNS:
        supabase.on(f"/rest/v1/{table}", refused)
    no, older = warnings(await found(supabase, SUPABASE_SERVICE_KEY=OLDER))
    assert "refuses the key in SUPABASE_SERVICE_KEY (Legacy API keys are disabled)" in no
    assert "a key of the older kind" in older


async def test_the_one_write_changes_no_row(supabase: Server) -> None:
    """No row is without an id."""
    await found(supabase, SUPABASE_SERVICE_KEY=NEWER)
    [write] = [one for one in supabase.requests if not one.line.startswith("GET ")]
    assert write.line.split()[:2] == ["PATCH", "/rest/v1/project_storyboards?id=is.null"]
    assert write.headers["prefer"] == "return=minimal"
