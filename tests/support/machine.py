"""Workers on machines that lack something: room on the work disk, descriptors, a work folder."""

import os
import resource
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from sandbox.processes import Process, logged
from sandbox.worker_process import READY, new_worker
from tests.support.site import Site

# $0 MiB, $1 the folder, $2 MiB of a file that fills it; what follows is run there.
_ON_A_DISK = """
mkdir "$1" && mount -t tmpfs -o "size=$0m" none "$1" || exit 1
head -c "$2M" /dev/zero > "$1/filler"
export TMPDIR="$1"
shift 2
exec "$@"
"""


async def start_on_disk(
    site: Site, disk: Path, *, size_mib: int, filler_mib: int = 0, **settings: str
) -> Process:
    """A worker whose work folder `disk` is a disk of its own, which nobody else sees.

    A mount namespace of its own needs no rights beyond those of whoever runs this.
    """
    worker = new_worker(site.vidfab.settings(site.queue, **settings), site.folder)
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "-m"]
    on_a_disk = ["sh", "-c", _ON_A_DISK, str(size_mib), str(disk), str(filler_mib)]
    worker.command = [*unshare, *on_a_disk, *worker.command]
    await worker.start(logged(worker.log, READY))
    return worker


def seen_by(worker: Process, path: Path) -> Path:
    """The path as the worker sees it, whatever disk it has there."""
    return Path(f"/proc/{worker.pid}/root{path}")


def fill(file: Path) -> None:
    """Let the file grow until its disk is full."""
    with suppress(OSError), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))


@contextmanager
def without_descriptors(worker: Process) -> Generator[None]:
    """It can open nothing more meanwhile, but in the place of what it closes."""
    before = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (_as_many(worker.pid), before[1]))
    try:
        yield
    finally:
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, before)


def _as_many(pid: int) -> int:
    """The limit at which all numbers are in use; a reserve, on the null device, is among them."""
    folder = Path(f"/proc/{pid}/fd")
    used = {int(one.name): one.readlink() for one in folder.iterdir()}
    first_free = next(number for number in range(len(used) + 1) if number not in used)
    return max(first_free, *(one + 1 for one, path in used.items() if path == Path(os.devnull)))
