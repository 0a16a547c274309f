"""What a Redis URL must look like to be one."""

from urllib.parse import urlsplit


def check_redis_url(url: str) -> None:
    """Raises ValueError with what is wrong, never with the URL: it holds the password."""
    if url.startswith(("https://", "http://")):
        raise ValueError(
            "this is the REST address; copy the rediss:// address from the same Upstash page"
        )
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("not a Redis address")
    if not _is_readable(url):
        raise ValueError("its port or database is not a number")


def _is_readable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        database = parts.path.strip("/") if parts.scheme != "unix" else ""
        return parts.port is None or not database or database.isdigit()
    except ValueError:
        return False
