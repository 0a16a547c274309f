"""OpenTelemetry for tests that need it: `make dev` installs it apart, see scripts/install.py."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from sandbox.worker_process import ROOT

FOLDER = ROOT / ".cache/otel"


@contextmanager
def importable() -> Generator[None]:
    """Meanwhile this process finds it, after all that is installed."""
    assert (FOLDER / "opentelemetry").is_dir(), "make dev"
    sys.path.append(str(FOLDER))
    try:
        yield
    finally:
        sys.path.remove(str(FOLDER))
