"""The command line as processes: what goes to which stream, and `run --watch`."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from config.version import VERSION
from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import LOOPBACK, PATIENCE_S, Process, free_port, logged
from sandbox.worker_process import READY, ROOT
from tests.support.cli import env_file
from tests.support.site import Site

PASSED_ON = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
CODE = (
    "worker.py",
    "bullmq_consumer",
    "commands",
    "config",
    "core",
    "handlers",
    "runtime",
    "services",
)


def worker(folder: Path, *arguments: str | Path, root: Path = ROOT) -> Process:
    command = [sys.executable, "worker.py", *arguments]
    log = folder / f"command-{len(list(folder.iterdir()))}.log"
    return Process(command, log, cwd=root, env={**PASSED_ON, "PYTHONUTF8": "1"})


def pipes(folder: Path, *arguments: str | Path) -> Process:
    """Its standard output is a pipe; the log holds standard error alone."""
    command = [sys.executable, "worker.py", *arguments]
    log = folder / f"error-{len(list(folder.iterdir()))}.log"
    return Process(command, log, cwd=ROOT, env={**PASSED_ON, "PYTHONUTF8": "1"}, pipes=True)


async def test_standard_output_holds_the_answer_alone(site: Site, tmp_path: Path) -> None:
    await site.app.add("x", {"say": "开始生成分镜图"}, {"jobId": "j", "priority": 1})
    # `debug` would let every module speak.
    settings = env_file(tmp_path, site.vidfab.settings(site.queue, LOG_LEVEL="debug"))
    table, document, checked = (
        pipes(tmp_path, "--env-file", settings, *words)
        for words in (("stats",), ("job", "j", "--json"), ("check", "--json"))
    )
    for process in (table, document, checked):
        await process.start()
    for process in (table, document, checked):
        assert await process.wait(PATIENCE_S) == 0
        assert process.log.read_text("utf-8") == ""
    shown = table.stdout.read().decode()
    assert "The oldest waiting job is j (x)" in shown
    assert "\x1b" not in shown  # no colours but on a terminal
    assert json.loads(document.stdout.read())["data"] == {"say": "开始生成分镜图"}
    assert json.loads(checked.stdout.read())["ok"]
    unread = pipes(tmp_path, "--env-file", settings, "stats")
    await unread.start()
    unread.stdout.close()  # as `head` does
    assert await unread.wait(PATIENCE_S) == 1
    assert unread.log.read_text("utf-8") == ""
    for process in (table, document, checked, unread):
        await process.kill()


async def test_help_version_and_a_redis_that_is_away(tmp_path: Path) -> None:
    away = {
        "BULLMQ_REDIS_URL": f"redis://{LOOPBACK}:{free_port()}/0",
        "SUPABASE_URL": f"http://{LOOPBACK}:1",
        "SUPABASE_SERVICE_KEY": "sb_secret_unused",
    }
    settings = env_file(tmp_path, away)
    runs = {
        ("--help",): (0, "python worker.py retry --all-failed"),
        ("retry", "--help"): (0, "A retry does not buy or fetch existing"),
        ("--version",): (0, f"vidfab-worker {VERSION}"),
        ("sttas",): (2, "Did you mean 'stats'?"),
        ("stats", "--env-file", str(settings)): (1, "✗ Redis at redis://"),
        ("--env-file", str(settings), "check"): (1, "✗ Redis at redis://"),
    }
    processes = [worker(tmp_path, *words) for words in runs]
    for process in processes:
        await process.start()
    for process, (code, said) in zip(processes, runs.values(), strict=True):
        assert await process.wait(PATIENCE_S) == code
        log = process.log.read_text("utf-8")
        assert said in log
        assert "Traceback" not in log


async def test_watch_starts_the_worker_anew_and_loses_nothing(site: Site, tmp_path: Path) -> None:
    root = tmp_path / "code"
    for name in CODE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        root.mkdir(exist_ok=True)
        copy(ROOT / name, root / name)
    supabase, control = site.vidfab.supabase, site.vidfab.providers.control
    await control.delay("/ark/*", 30)
    settings = site.vidfab.settings(site.queue, SHUTDOWN_GRACE_S="0.1")
    process = worker(tmp_path, "--watch", "--env-file", env_file(root, settings), root=root)
    try:
        await process.start(logged(process.log, READY))
        project = await create_project(supabase, await create_user(supabase), [Shot(1, "A door")])
        job_id = await enqueue_storyboards(site.app, supabase, project)
        await site.wait_for_purchase()
        await control.clear_delays()

        handler = root / "handlers" / "update_quota.py"
        good = handler.read_text("utf-8")
        handler.write_text(good + "\n", "utf-8")  # a job runs while the code changes
        await site.wait_for_line(process, "handlers/update_quota.py changed: restarting")
        job = await site.finished(job_id)
        assert (job.state, job.attempts_made, job.stalled_counter) == ("completed", 1, 0)

        handler.write_text("def half_typed(:\n", "utf-8")
        await site.wait_for_line(process, "the next change restarts it")
        handler.write_text(good, "utf-8")
        await site.app.wait_for(
            await site.app.add("update_quota", QUOTA, {"priority": 3}), "completed"
        )
        assert await site.app.workers() != []
        os.kill(process.pid, signal.SIGINT)
        assert await process.wait(PATIENCE_S) == 0
        assert await site.app.workers() == []
    finally:
        await process.stop()


QUOTA = {"userId": "0f8fad5b-d9cb-469f-a165-70867728950e", "operation": "add"}
