"""What check finds is told without secrets, whoever says them."""

from pathlib import Path

import pytest

from commands.checks import machine, project, queue_redis, vendors
from commands.checks.finding import Finding, ok, warning
from tests.support.cli import command

SETTINGS = {
    "SUPABASE_URL": "https://x.supabase.co/?apikey=hunter3key",
    "SUPABASE_SERVICE_KEY": "sb_secret_12345678",
    "BULLMQ_REDIS_URL": "redis://:hunter2pw@127.0.0.1:9/0",
    "GEMINI_IMAGE_MODEL": "sb_secret_12345678",
}


async def _nothing(*_: object, **__: object) -> list[Finding]:
    return []


@pytest.mark.parametrize("form", [[], ["--json"]])
async def test_no_finding_shows_a_secret(form: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def told(*_: object) -> list[Finding]:
        return [
            ok("Supabase", f"{SETTINGS['SUPABASE_URL']} accepts the key"),
            warning("Supabase", "it said hunter2pw", "Set another than sb_secret_12345678"),
        ]

    async def broken(*_: object) -> list[Finding]:
        raise ValueError("Invalid port: 'hunter2pw' in sb_secret_12…")

    for module, name in ((queue_redis, "check"), (vendors, "check_key"), (machine, "check_ffmpeg")):
        monkeypatch.setattr(module, name, _nothing)
    monkeypatch.setattr(project, "check", told)
    monkeypatch.setattr(machine, "check_port", broken)
    answer = await command(SETTINGS, "check", *form)
    assert "https://x.supabase.co/?… accepts the key" in answer.out
    assert "Invalid port: '***' in ***…" in answer.out
    assert "hunter" not in answer.out
    assert "sb_secret_" not in answer.out.replace("sb_secret_ key", "")


async def test_certificates_that_are_none_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("none\n", "utf-8")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    answer = await command({**SETTINGS, "SUPABASE_URL": "http://127.0.0.1:9"}, "check")
    assert "wants a readable PEM file (there are no certificates in it)" in answer.out
    assert "Please report this" not in answer.out
