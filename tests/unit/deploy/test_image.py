"""The Dockerfile, .dockerignore and the project they are made for; the image's health check.

That the image builds and runs is shown by scripts/try-image.sh.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.processes import free_port
from sandbox.worker_process import ROOT

HEALTHCHECK = ROOT / "scripts/healthcheck.py"
NOT_SHIPPED = {"sandbox", "bench", "tests"}


def _instructions() -> list[tuple[str, str]]:
    """(instruction, what follows), comments left out and continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    split = [line.split(maxsplit=1) for line in lines if line.strip()]
    return [(name, rest) for name, rest in split]


def _all(instruction: str) -> list[str]:
    return [rest for name, rest in _instructions() if name == instruction]


def _copied() -> set[str]:
    """The top-level names that come out of the checkout, as `COPY` has them."""
    return {
        source
        for rest in _all("COPY")
        if not rest.startswith("--from")
        for source in rest.split()[:-1]
    }


def test_all_that_the_worker_imports_is_copied() -> None:
    packages = {folder.parent.name for folder in ROOT.glob("*/__init__.py")} - NOT_SHIPPED
    assert packages >= {"config", "core", "services", "handlers", "runtime"}
    assert _copied() >= packages | {"worker.py", "scripts/healthcheck.py"}


def test_what_is_copied_is_let_in_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == _copied()
    assert rules[-1] == "**/.env*"


def test_packages_come_from_the_locks_with_hashes() -> None:
    worker, sbom = [rest for rest in _all("RUN") if "pip install" in rest]
    assert "--require-hashes --no-deps -r requirements/worker.txt" in worker
    assert "--require-hashes --no-deps -r requirements/sbom.txt" in sbom
    assert "${TRACES:+-r requirements/otel.txt}" in worker


def test_what_is_added_for_traces_fits_the_worker_and_all_that_is_tested() -> None:
    traces = _locked("otel")
    assert {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"} <= traces.keys()
    for name in ("worker", "all"):
        others = _locked(name)
        assert {name: traces.get(name, version) for name, version in others.items()} == others
        assert not [name for name in others if name.startswith("opentelemetry")]


def _locked(name: str) -> dict[str, str]:
    text = (ROOT / f"requirements/{name}.txt").read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.M))


@pytest.mark.slow
def test_the_bill_of_materials_names_all_that_the_lock_installs(tmp_path: Path) -> None:
    """By the command of the Dockerfile, of the environment of these tests.

    It fails by itself when what it makes is not what the specification wants.
    """
    [line] = [rest for rest in _all("RUN") if "cyclonedx-py" in rest]
    assert "--no-validate" not in line
    file = tmp_path / "bom.json"
    here = {"/sbom/bin/": f"{Path(sys.executable).parent}/", "/venv/bin/python": sys.executable}
    for there, place in {**here, "/vidfab-worker.cdx.json": str(file)}.items():
        line = line.replace(there, place)
    subprocess.run(shlex.split(line), cwd=ROOT, check=True, timeout=300)
    bom = json.loads(file.read_text("utf-8"))
    named = {(canonicalize_name(one["name"]), one["version"]) for one in bom["components"]}
    wanted = _installed_by(ROOT / "requirements/worker.txt")
    assert len(wanted) > 40
    assert wanted - named == set()
    assert bom["metadata"]["component"]["name"] == "vidfab-worker"
    [copied] = [rest for rest in _all("COPY") if "--from=sbom" in rest]
    assert copied.split()[1:] == [
        "/vidfab-worker.cdx.json",
        "/usr/share/sbom/vidfab-worker.cdx.json",
    ]


def _installed_by(lock: Path) -> set[tuple[str, str]]:
    """Names and versions, of this platform's packages."""
    lines = re.findall(r"^[a-z].*?(?= \\$)", lock.read_text("utf-8"), re.MULTILINE)
    wanted = [Requirement(line) for line in lines]
    return {
        (canonicalize_name(one.name), next(iter(one.specifier)).version)
        for one in wanted
        if one.marker is None or one.marker.evaluate()
    }


def test_the_process_is_started_as_orchestrators_want_it() -> None:
    [entrypoint] = _all("ENTRYPOINT")
    assert json.loads(entrypoint)[:2] == ["tini", "--"]
    assert _all("CMD") == []
    assert _all("STOPSIGNAL") == ["SIGTERM"]
    [user] = _all("USER")
    assert user.split(":")[0].isdecimal()
    assert int(user.split(":")[0]) > 0


def test_the_image_holds_the_file_that_has_the_version() -> None:
    """Beside `config`, where it is looked for, and nothing else of the image repeats it."""
    [beside] = [rest for rest in _all("COPY") if rest.endswith(" ./") and "pyproject.toml" in rest]
    assert "worker.py" in beside
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] not in (ROOT / "Dockerfile").read_text("utf-8")


def test_no_base_but_python_of_a_fixed_release() -> None:
    assert _all("ARG")[0] == "BASE=python:3.12-slim-bookworm"
    assert {rest.split()[0] for rest in _all("FROM")} == {"${BASE}", "build"}


def test_health_is_asked_where_the_image_answers() -> None:
    [check] = _all("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    assert command[0] == "/venv/bin/python"
    assert command[2:] == ["/app/healthcheck.py", "/readyz"]
    assert "HEALTH_PORT=8080" in _all("ENV")[0]


class _Worker(BaseHTTPRequestHandler):
    """Ready at /readyz, not alive at /livez."""

    def do_GET(self) -> None:
        is_ready = self.path == "/readyz"
        self.send_response(200 if is_ready else 503)
        self.end_headers()
        self.wfile.write(b"{}" if is_ready else b"the event loop is blocked")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _answering() -> Generator[int]:
    with HTTPServer(("127.0.0.1", 0), _Worker) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _ask(*arguments: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-IS", HEALTHCHECK, *arguments],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.strip()


def test_health_check_says_yes_and_why_not() -> None:
    with _answering() as port:
        quoted = f'"{port}"'  # as Docker hands over what stands in an --env-file
        assert _ask(HEALTH_PORT=quoted) == (0, "")
        assert _ask(HEALTH_PORT=str(port), HEALTH_HOST="0.0.0.0") == (0, "")
        code, why = _ask("/livez", HEALTH_PORT=str(port))
    assert (code, why) == (1, "/livez says 503: the event loop is blocked")


@pytest.mark.parametrize("port", ["", "none"])
def test_health_check_without_a_port(port: str) -> None:
    code, why = _ask(HEALTH_PORT=port)
    assert code == 1
    assert why.startswith(f"HEALTH_PORT is '{port}': set it")


def test_health_check_without_a_worker() -> None:
    code, why = _ask(HEALTH_PORT=str(free_port()))
    assert code == 1
    assert why.startswith("No worker answers on 127.0.0.1")
    assert "\n" not in why
