"""What a failed job tells operators where its `failedReason` is for people."""

from sandbox.producer import JobView


def told_operators(job: JobView) -> str:
    """The reason of the last attempt: the last line of its stack trace."""
    assert job.stacktrace, job
    return job.stacktrace[-1].splitlines()[-1]
