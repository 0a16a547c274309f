"""Which release this is: the same as in pyproject.toml, which images leave out."""

VERSION = "0.1.0"
