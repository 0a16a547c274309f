"""What the worker has in memory for as long as it lives."""

import subprocess
import sys

from sandbox.worker_process import ROOT


def test_no_command_line_is_loaded_with_what_all_jobs_need() -> None:
    """The HTTP client has one of its own, which it loads wherever its libraries are installed."""
    script = (
        "import services.supabase.client, services.net.downloads, services.images.seedream, sys;"
        "print({'httpx', 'rich', 'pygments', 'click', 'typer', 'hpack'} & set(sys.modules))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "{'httpx'}\n"
