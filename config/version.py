"""The version of this worker, as in pyproject.toml, which an image does not hold."""

VERSION = "0.1.0"
