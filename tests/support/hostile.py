"""Hostile jobs: tests/data/hostile_payloads.jsonl, one job a line.

`data` is a payload, `text` one as it would stand in Redis, `base64` its bytes. `fields` and
`field_bytes` (in base64) are other fields of the job's hash, null for one that is missing. `expand`
puts a text, many times, in place of a word. The job must come to the end that `verdict` names:
`failed` at once with a reason that holds `says`, or `completed`. `stage` is `run` where the payload
is well-formed and the handler refuses it. `why` says what is wrong with it.
"""

import json
from base64 import b64decode
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent.parent / "data/hostile_payloads.jsonl"


@dataclass(frozen=True)
class Hostile:
    id: str
    name: str
    verdict: str
    says: str
    why: str
    data: Any = None
    text: str | None = None
    base64: str | None = None
    fields: dict[str, str | None] = field(default_factory=dict)
    field_bytes: dict[str, str] = field(default_factory=dict)
    expand: dict[str, tuple[str, int]] = field(default_factory=dict)
    stage: str = "validation"

    def hash(self) -> dict[str, bytes | None]:
        """What the job's hash holds in place of what a good job has there; None: nothing."""
        data = json.dumps(self.data) if self.text is None else self.text
        texts = {"data": data, **self.fields}
        found = {name: self._bytes(text) for name, text in texts.items()}
        if self.base64 is not None:
            found["data"] = b64decode(self.base64)
        return found | {name: b64decode(text) for name, text in self.field_bytes.items()}

    def _bytes(self, text: str | None) -> bytes | None:
        if text is None:
            return None
        for word, (filling, count) in self.expand.items():
            text = text.replace(word, filling * count)
        return text.encode()


@cache
def hostile() -> tuple[Hostile, ...]:
    lines = _FILE.read_text("utf-8").splitlines()
    return tuple(Hostile(**json.loads(line)) for line in lines)
