"""What a Redis URL must look like to be one, and what of it is for the app's client alone."""

from urllib.parse import parse_qs, unquote_plus, urlsplit


def check_redis_url(url: str) -> None:
    """Raises ValueError with what is wrong, never with the URL: it holds the password."""
    if url.startswith(("https://", "http://")):
        raise ValueError(
            "this is the REST address; copy the rediss:// address from the same Upstash page"
        )
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("not a Redis address")
    if not _is_readable(url):
        raise ValueError(
            "its port or database is not a number; in a password write / # ? @ as %2F %23 %3F %40"
        )
    parts = urlsplit(url)
    _check_options(parts.scheme, parts.query)


def without_app_options(url: str) -> str:
    """The URL without the options of the app's client, ioredis, of which this one knows nothing."""
    place, _, query = url.partition("?")
    options = [one for one in query.split("&") if one and _name(one) not in _OF_THE_APP]
    return f"{place}?{'&'.join(options)}" if options else place


def _name(option: str) -> str:
    return unquote_plus(option.partition("=")[0])


def _is_readable(url: str) -> bool:
    """Whether each part is what it looks like: else a part of the password could be shown."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    database = parts.path.strip("/") if parts.scheme != "unix" else ""
    options = parts.query.split("&") if parts.query else []
    return (
        (not database or _is_number(database))
        and not parts.fragment
        and all("=" in option for option in options)
    )


def _check_options(scheme: str, query: str) -> None:
    """The client would obey any: time-outs that lose jobs, an unchecked certificate."""
    for name, values in parse_qs(query, keep_blank_values=True).items():
        if name == "tls" and scheme != "rediss":
            raise ValueError("write rediss:// for TLS, without tls behind the ?")
        if name in _OF_THE_APP:
            continue
        if name in _CHECKED and any(value.lower() != _CHECKED[name] for value in values):
            raise ValueError(
                "it switches the check of certificates off; take that out, and set "
                "REDIS_TLS_INSECURE=1 if nothing else is possible"
            )
        if name not in _OPTIONS or (name == "db" and not all(map(_is_number, values))):
            raise ValueError(f"behind the ? it may have {', '.join(sorted(_OPTIONS))} alone")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


_CHECKED = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}
# Whose value a URL may hold. Both families of addresses are tried anyway, and the worker's own
# time-outs and tries are what keeps its jobs.
_OF_THE_APP = frozenset({
    *("family", "tls", "connectionName", "keepAlive", "noDelay", "lazyConnect", "readOnly"),
    *("connectTimeout", "commandTimeout", "socketTimeout", "disconnectTimeout"),
    *("maxRetriesPerRequest", "maxLoadingRetryTime", "enableReadyCheck", "enableOfflineQueue"),
    *("enableAutoPipelining", "autoResubscribe", "autoResendUnfulfilledCommands"),
    *("showFriendlyErrorStack", "stringNumbers"),
})  # fmt: skip
_OPTIONS = frozenset({"username", "password", "db", "ssl_ca_certs", *_CHECKED})
