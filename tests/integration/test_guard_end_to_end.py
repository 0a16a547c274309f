"""The real guard with real sockets, the system's resolver and a name server that changes its mind.

All of it happens in a network of its own (tests/support/island.py), in which each address of the
world is a trap that notes who comes.
"""

import json
import os
import shutil
import subprocess
from typing import Any

import pytest

from sandbox.node import locked
from tests.support.island import COMMAND, NAMESPACES, Seen
from tests.support.urls import BENIGN, HOSTILE, PUBLIC, Specimen, each

DOOR = [PUBLIC, 443]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Seen]]:
    """What was seen of each visit, by scene; played once for all processes that share the tests."""
    if not _has_namespaces():
        reason = "needs `unshare` and `ip`, and a kernel that grants namespaces"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    seen = folder / "seen.json"
    with locked(folder / "seen.lock"):
        if not seen.exists():
            seen.write_text(_play(), "utf-8")
    scenes: dict[str, dict[str, Any]] = json.loads(seen.read_text("utf-8"))
    return {
        scene: {why: Seen(**seen) for why, seen in visits.items()}
        for scene, visits in scenes.items()
    }


def _play() -> str:
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _has_namespaces() -> bool:
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    tried = [*NAMESPACES, "ip", "link"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


@each(HOSTILE)
def test_a_hostile_url_reaches_nothing(played: Any, specimen: Specimen) -> None:
    seen = played["hostile"][specimen.why]
    assert seen.error == "UnsafeUrl"
    assert specimen.says in seen.message
    assert (seen.reached, seen.requests) == ([], [])


@each(BENIGN)
def test_a_benign_url_is_fetched(played: Any, specimen: Specimen) -> None:
    seen = played["benign"][specimen.why]
    assert seen.reached == [[seen.reached[0][0], 443]]
    assert seen.reached[0][0] in specimen.answers
    if "underscore" in specimen.why:  # no certificate can be had for it: let through all the same
        assert "certificate verify failed" in seen.message
    else:
        assert (seen.error, len(seen.requests)) == ("", 1)


@each([one for one in BENIGN if "signed" in one.why])
def test_a_signed_url_arrives_byte_by_byte(played: Any, specimen: Specimen) -> None:
    [(line, host)] = played["benign"][specimen.why].requests
    assert f"GET https://{host}" + line.removeprefix("GET ") == f"GET {specimen.url} HTTP/1.1"


# Where a server sends them they are not hostile: its own paths, or a space that stands for %20.
HARMLESS = ("no scheme, a host", "a path alone", "a host without a scheme", "a query alone",
            "the mark of a batch", "a space in the path")  # fmt: skip


@each([one for one in HOSTILE if one.fits_a_header])
def test_a_redirect_to_a_hostile_url_reaches_nothing_more(played: Any, specimen: Specimen) -> None:
    seen = played["redirected"][specimen.why]
    if specimen.why in HARMLESS:
        assert all(one == DOOR for one in seen.reached)
    else:
        assert seen.error == "UnsafeUrl"
        assert seen.reached == [DOOR]
        assert [host for _, host in seen.requests] == ["origin.example.com"]


def test_a_name_is_looked_up_once_and_that_address_is_asked(played: Any) -> None:
    seen = played["rebound"]["once"]
    assert (seen.error, seen.reached) == ("", [DOOR])
    assert seen.resolved == {"rebinding.example.com": 1}


@pytest.mark.parametrize("visit", ["twice", "to itself", "by a redirect, when it is local"])
def test_a_name_that_has_become_local_is_not_asked(played: Any, visit: str) -> None:
    seen = played["rebound"][visit]
    assert seen.error == "UnsafeUrl"
    assert "rebinding.example.com leads to" in seen.message
    assert all(one == DOOR for one in seen.reached)
    assert seen.resolved["rebinding.example.com"] == 2


def test_a_client_without_a_guard_falls_into_the_trap(played: Any) -> None:
    """So that the others mean something."""
    assert ["127.0.0.1", 443] in played["rebound"]["without a guard"].reached
