"""An isolated handler whose module takes longer to import than the handler may take."""

import multiprocessing
import time
from datetime import timedelta

from bullmq_consumer import Jobs, SyncJob

LIMIT = timedelta(seconds=2)
jobs: Jobs = Jobs()

if multiprocessing.parent_process() is not None:
    time.sleep(LIMIT.total_seconds() + 0.5)


@jobs.job("quick", isolate=True, timeout=LIMIT)
def quick(job: SyncJob) -> str:
    """Return at once."""
    return "done"
