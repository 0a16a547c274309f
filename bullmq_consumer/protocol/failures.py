"""What an attempt that failed leaves in the job's hash. Pure."""

import json

from bullmq_consumer.protocol.job import Job


def failure_fields(job: Job, reason: str, trace: str, shown: str | None = None) -> dict[str, str]:
    """Its reason, and the traces of all attempts that failed, as many as the job's options keep.

    With `shown` that is what `failedReason` says, and the reason stands in the traces alone.
    """
    most = job.options.get("stackTraceLimit")
    traces = [*job.stacktrace, trace or reason]
    kept = traces if most is None else traces[-most:] if most else []
    return {
        "failedReason": reason if shown is None else shown,
        "stacktrace": json.dumps(kept, separators=(",", ":")),
    }
