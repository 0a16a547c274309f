"""What becomes of a project whose job is alive, done, failed or gone."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bullmq_consumer.inspect.states import JobState, State
from runtime.reconciler.plan import LeaveAlone, MarkFailed, Repair, plan_repair, storyboards_status
from services.supabase.projects import Step, WaitingProject
from services.supabase.storyboards import StoryboardRow

PROJECT = WaitingProject(
    id="11111111-1111-4111-8111-111111111111",
    user_id="u1",
    step=Step.FILM,
    status="processing",
    updated_at="2026-11-24T01:00:00.123456+00:00",
)
FINISHED = datetime(2026, 11, 24, 1, 2, 3, 456000, UTC)
VIDEO = {
    "url": "https://x.supabase.co/final.mp4",
    "fileSize": 981085,
    "resolution": "1920x1080",
    "duration": 12.5,
}


def completed(data: Any) -> JobState:
    envelope = {"success": True, "data": data, "duration": 1, "retryCount": 0}
    return JobState(State.COMPLETED, json.dumps(envelope), finished_at=FINISHED)


def composed(**change: Any) -> JobState:
    return completed({"composed": True, "estimatedDuration": 12, "video": {**VIDEO, **change}})


def columns(job: JobState) -> dict[str, Any]:
    verdict = plan_repair(PROJECT, job)
    assert isinstance(verdict, Repair)
    return verdict.columns


def test_a_living_job_is_left_alone() -> None:
    assert plan_repair(PROJECT, JobState(State.UNFINISHED)) == LeaveAlone()


def test_a_completed_jobs_result_repairs_the_project() -> None:
    assert columns(composed()) == {
        "final_video_url": "https://x.supabase.co/final.mp4",
        "final_video_storage_path": f"videos/u1/video-agent/{PROJECT.id}/final.mp4",
        "final_video_file_size": 981085,
        "final_video_resolution": "1920x1080",
        "completed_at": "2026-11-24T01:02:03.456Z",
    }


@pytest.mark.parametrize(
    ("change", "left_out"),
    [
        ({"fileSize": 0}, "final_video_file_size"),  # as the Node worker says
        ({"fileSize": "large"}, "final_video_file_size"),
        ({"fileSize": 2**63}, "final_video_file_size"),
        ({"resolution": "a very large one"}, "final_video_resolution"),
        ({"resolution": None}, "final_video_resolution"),
    ],
)
def test_a_wrong_detail_is_left_out(change: dict[str, Any], left_out: str) -> None:
    assert set(columns(composed())) - set(columns(composed(**change))) == {left_out}


@pytest.mark.parametrize(
    "job",
    [
        JobState(State.COMPLETED),
        JobState(State.COMPLETED, "not JSON"),
        JobState(State.COMPLETED, '{"success": false, "error": "no luck"}'),
        completed(None),
        completed([]),
        completed({"composed": False, "video": VIDEO}),
        completed({"composed": True}),
        composed(url=None),
        composed(url=""),
        composed(url="javascript:alert(1)"),
        composed(url="https://x/\u0000"),
    ],
)
def test_a_completed_job_without_a_video_is_a_failure(job: JobState) -> None:
    assert plan_repair(PROJECT, job) == MarkFailed("its job completed without a video")


@pytest.mark.parametrize(
    ("job", "found"),
    [
        (JobState(State.FAILED, failed_reason="no luck"), "its job failed: no luck"),
        (JobState(State.FAILED), "its job failed: no reason given"),
        (JobState(State.GONE), "its job is not in the queue"),
    ],
)
def test_a_failed_or_missing_job_fails_the_project(job: JobState, found: str) -> None:
    assert plan_repair(PROJECT, job) == MarkFailed(found)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["success", "success"], "completed"),
        (["success", "failed"], "partial"),
        (["success", None], "partial"),
        (["failed"], "failed"),
        ([], None),  # the step was just reset
        (["success", "generating"], None),
    ],
)
def test_step_3_by_its_rows(statuses: list[str | None], expected: str | None) -> None:
    rows = [
        StoryboardRow(id=str(number), project_id=PROJECT.id, shot_number=number, status=status)
        for number, status in enumerate(statuses)
    ]
    assert storyboards_status(rows) == expected
