"""The file of certificates that TLS trusts beside those it knows."""

import ssl
from pathlib import Path


def check_certificates(file: Path) -> Path:
    """Raises ValueError for what TLS could not read later."""
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        trusted.load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise ValueError("there are no certificates in it") from None
    except (OSError, ValueError) as error:  # the latter of a name with a zero in it
        raise ValueError(getattr(error, "strerror", None) or "not a file") from None
    return file
