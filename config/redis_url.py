"""What a Redis URL must look like to be one."""

from urllib.parse import parse_qs, urlsplit


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
    if _is_careless(url):
        raise ValueError(
            "it switches the check of certificates off; take that out, and set "
            "REDIS_TLS_INSECURE=1 if nothing else is possible"
        )


def _is_readable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        database = parts.path.strip("/") if parts.scheme != "unix" else ""
        return parts.port is None or not database or database.isdigit()
    except ValueError:
        return False


def _is_careless(url: str) -> bool:
    """By options that redis-py would take from an address, and obey."""
    options = parse_qs(urlsplit(url).query, keep_blank_values=True)
    checked = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}
    return any(
        value.lower() != wanted
        for name, wanted in checked.items()
        for value in options.get(name, [])
    )
