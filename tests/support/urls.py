"""URLs that the guard has to refuse, and odd ones that it has to let through: tests/data/."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

# Of nobody in these tests: where a name leads that has no answers of its own.
PUBLIC = "93.184.216.34"

_DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Specimen:
    """A URL, what is odd about it, and the addresses that its name has.

    `says` is what the refusal says; empty for a URL that is fetched.
    """

    url: str
    why: str
    says: str = ""
    answers: tuple[str, ...] = (PUBLIC,)

    @property
    def fits_a_header(self) -> bool:
        """Whether a server can send it as it is; spaces at the ends of a header do not count."""
        is_text = not set(self.url) & set("\r\n\0\ud800")
        return is_text and self.url.strip() == self.url != ""


def read(name: str) -> list[Specimen]:
    lines = (_DATA / f"{name}.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [Specimen(**{**row, "answers": tuple(row.get("answers", [PUBLIC]))}) for row in rows]


HOSTILE = read("hostile_urls")
BENIGN = read("benign_urls")


def each(specimens: list[Specimen]) -> pytest.MarkDecorator:
    """Runs a test for each, called `specimen`."""
    return pytest.mark.parametrize("specimen", specimens, ids=lambda one: one.why)
