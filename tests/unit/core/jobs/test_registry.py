"""A new job type is one new file."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import JobError
from core.jobs.registry import discover

HANDLER = """
from datetime import timedelta
from core.jobs.context import JobContext
from core.jobs.data import JobData, JobResult
from core.jobs.registry import job

class Data(JobData):
    size: int

class Subject(JobData):
    pass

@job("{name}", timeout=timedelta(seconds=5))
async def handler(ctx: JobContext[None], data: Data) -> JobResult:
    return JobResult()

@handler.on_failure
async def settle(ctx: JobContext[None], subject: Subject, reason: str) -> None:
    pass
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "extra_handlers"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith("extra_handlers")]:
        del sys.modules[name]


def test_a_file_in_the_folder_is_a_job(package: Path) -> None:
    (package / "greet.py").write_text(HANDLER.format(name="greet"), encoding="utf-8")
    (package / "_parts.py").write_text(HANDLER.format(name="hidden"), encoding="utf-8")
    specs = discover("extra_handlers")
    assert list(specs) == ["greet"]
    assert specs["greet"].data.model_fields.keys() == {"user_id", "size"}
    assert specs["greet"].subject.model_fields.keys() == {"user_id"}


def test_two_handlers_of_one_name_are_refused(package: Path) -> None:
    (package / "one.py").write_text(HANDLER.format(name="same"), encoding="utf-8")
    (package / "two.py").write_text(HANDLER.format(name="same"), encoding="utf-8")
    with pytest.raises(JobError, match=r"'same'; rename the one in extra_handlers\.two"):
        discover("extra_handlers")
