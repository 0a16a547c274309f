"""`python -m bullmq_consumer`: what it prints of itself."""

import re
from importlib import metadata

import pytest

from bullmq_consumer import ExitCode, __version__
from bullmq_consumer.process.command_line import main


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert end.value.code == 0
    return capsys.readouterr().out


def test_its_help_has_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    told = re.findall(r"^  (\d+)  +\w", printed(capsys, "--help"), re.MULTILINE)
    # 2 is argparse's own.
    assert {int(code) for code in told} == {*ExitCode, 2}


def test_its_version_names_what_its_scripts_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    words = " ".join(printed(capsys, "--version").split())
    assert words.startswith(f"bullmq-consumer {__version__} (Python ")
    assert f"bullmq {metadata.version('bullmq')}, tested with BullMQ 5.58 to 6.7" in words
