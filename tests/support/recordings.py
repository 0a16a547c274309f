"""The recorded jobs: what the app put on the queue, and what the Node worker then did."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent.parent / "recorded"

USER = "00000000-0000-4000-8000-000000000001"
PROJECT = "11111111-1111-4111-8111-111111111111"


def row_id(shot_number: int) -> str:
    """The id that a storyboard row has in the recordings."""
    return f"33333333-3333-4333-8333-000001{shot_number:06d}"


@dataclass(frozen=True)
class Recording:
    """`did` holds events, rows_changed, objects_stored, follow_ups and provider_requests."""

    name: str
    enqueued: list[dict[str, Any]]
    did: dict[str, Any]

    @property
    def job_id(self) -> str:
        return self.enqueued[0]["stored_in_redis"]["opts"]["jobId"]

    def progress(self, job_id: str) -> list[dict[str, Any]]:
        return [
            event["data"]
            for event in self.did["events"]
            if event["event"] == "progress" and event["jobId"] == job_id
        ]

    def returned(self, job_id: str) -> dict[str, Any]:
        return next(
            event["returnvalue"]
            for event in self.did["events"]
            if event["event"] == "completed" and event["jobId"] == job_id
        )


def load(name: str, *, media_url: str, supabase_url: str) -> Recording:
    """A recording with its placeholders filled in."""
    text = (_FOLDER / f"{name}.json").read_text("utf-8")
    text = text.replace("$MEDIA", media_url).replace("$SUPABASE_URL", supabase_url)
    content = json.loads(text)
    return Recording(name, content["enqueued"], content["node_worker_did"])
