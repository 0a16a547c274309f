"""What every section is given: the sandbox, both workers, and how much to measure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import Contender, node_worker, python_worker
from sandbox.vidfab import VidFab


@dataclass(frozen=True)
class Sizes:
    """How much is measured; the defaults are those of a complete run."""

    rounds: int = 5
    idle_s: float = 120
    single_jobs: int = 5
    burst_jobs: int = 100
    backlog_jobs: int = 5_000
    lone_jobs: int = 200
    late_jobs: int = 10
    late_after_s: float = 10
    delayed_jobs: int = 50
    growth: Sequence[int] = (1_000, 5_000, 20_000)
    distant_shots: int = 12
    distant_jobs: int = 200
    many: Sequence[int] = (3, 50, 300, 1_000)
    many_picture_s: float = 15
    video_bytes: int = 450 * 1000 * 1000


QUICK = Sizes(
    rounds=1,
    idle_s=5,
    single_jobs=3,
    burst_jobs=20,
    backlog_jobs=500,
    lone_jobs=10,
    late_jobs=1,
    late_after_s=2,
    delayed_jobs=5,
    growth=(100, 300),
    distant_shots=3,
    distant_jobs=20,
    many=(3, 50),
    many_picture_s=2,
    video_bytes=30 * 1000 * 1000,
)
"""Enough to see that all of it runs; the figures say little."""


@dataclass(frozen=True)
class Bench:
    """The sandbox's Supabase and vendors, for all sections; each takes a Redis of its own."""

    vidfab: VidFab
    folder: Path
    sizes: Sizes

    @property
    def rounds(self) -> int:
        return self.sizes.rounds

    @property
    def python(self) -> Contender:
        return python_worker(self.vidfab, self.folder)

    @property
    def node(self) -> Contender:
        return node_worker(self.folder)
