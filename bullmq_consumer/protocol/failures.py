"""What an attempt that failed leaves in the job's hash. Pure."""

import json

from bullmq_consumer.protocol.job import Job


def failure_fields(job: Job, reason: str, trace: str) -> dict[str, str]:
    """Its reason, and the traces of all attempts that failed, as many as the job's options keep."""
    most = job.options.get("stackTraceLimit")
    traces = [*job.stacktrace, trace or reason]
    kept = traces if most is None else traces[-most:] if most else []
    return {"failedReason": reason, "stacktrace": json.dumps(kept, separators=(",", ":"))}
