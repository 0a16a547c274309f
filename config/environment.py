"""Where settings come from: the process environment, then `.env.local`, then `.env`.

One named file may stand in for the two.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.errors import ConfigError

DEFAULT_FILES = (Path(".env.local"), Path(".env"))


@dataclass(frozen=True, slots=True)
class Environment:
    """All variables seen, with the place each value was taken from.

    `looked_in` is said of what is missing: the files that were read.
    """

    values: Mapping[str, str]
    origins: Mapping[str, str]
    looked_in: str = ""


def read_environment(
    env_file: Path | None = None, process: Mapping[str, str] | None = None
) -> Environment:
    """Merge the sources; an earlier source wins and empty values count as not set.

    `env_file` replaces the two default files. Raises ConfigError when a file cannot be read.
    """
    process_values = os.environ if process is None else process
    values = {name: _unquote(value) for name, value in process_values.items() if value.strip()}
    origins = dict.fromkeys(values, "process environment")
    files = _files(env_file)
    for path in files:
        for name, value in _read(path).items():
            if value and value.strip() and name not in values:
                values[name] = _unquote(value)
                origins[name] = str(path)
    return Environment(values, origins, _looked_in(files))


def _looked_in(files: Sequence[Path]) -> str:
    if files:
        return f"not in {' or '.join(map(str, files))}"
    return f"there is no {' or '.join(map(str, DEFAULT_FILES))} in {Path.cwd()}"


def _files(env_file: Path | None) -> Sequence[Path]:
    if env_file is None:
        return [path for path in DEFAULT_FILES if path.is_file()]
    if not env_file.is_file():
        raise ConfigError(
            [f"--env-file: {env_file.absolute()} is not a file; name an existing .env file"]
        )
    return [env_file]


def _read(path: Path) -> Mapping[str, str | None]:
    from dotenv import dotenv_values  # containers have no file, and start without it

    try:
        return dotenv_values(path, interpolate=False)
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: not a text in UTF-8; save it as one"]) from None
    except OSError as error:
        raise ConfigError(
            [f"{path}: cannot be read ({error.strerror}); give this user the right to"]
        ) from None


def _unquote(value: str) -> str:
    """Strip one pair of quotes: Docker's --env-file hands them over literally."""
    text = value.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].strip()
    return text
