"""Files that this worker left in the machine's temporary folder."""

import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

PREFIX = "vidfab-"
"""How every entry of ours in the temporary folder begins."""


def remove(url: str) -> bool:
    """Delete the file that a path or a file: URL names; False if it is not ours.

    Links and `..` are resolved before the check.
    """
    try:
        file = _path(url)
        if file is None or not _is_ours(file) or not file.is_file():
            return False
        file.unlink()
    except (OSError, ValueError, RuntimeError):  # no such file, not a path, a loop of links
        return False
    return True


def _path(url: str) -> Path | None:
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return Path(unquote(parts.path)).resolve()
    return Path(url).resolve() if url.startswith("/") else None


def _is_ours(file: Path) -> bool:
    folder = Path(tempfile.gettempdir()).resolve()
    if not file.is_relative_to(folder):
        return False
    return next(iter(file.relative_to(folder).parts), "").startswith(PREFIX)
