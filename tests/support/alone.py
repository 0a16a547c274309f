"""The worker without a database: for jobs that ask for none."""

from sandbox.processes import LOOPBACK


def settings_without_database(redis_url: str, queue: str) -> dict[str, str]:
    """What the worker needs to start; nobody listens where its database would be."""
    return {
        "BULLMQ_REDIS_URL": redis_url,
        "QUEUE_PREFIX": queue,
        "SUPABASE_URL": f"http://{LOOPBACK}:1",
        "SUPABASE_SERVICE_KEY": "sb_secret_unused",
    }
