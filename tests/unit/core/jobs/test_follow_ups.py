"""The ids of follow-up jobs, as the app makes and reads them."""

import pytest

from core.jobs.follow_ups import in_job_id, provider_in, video_clip_download

PROJECT = "11111111-1111-4111-8111-111111111111"
OPERATION = "models/veo-3.0-generate/operations/op3"


@pytest.mark.parametrize("provider_id", ["cgt-20261124-x_1", "a:b", OPERATION])
def test_a_clips_download_names_the_provider_of_its_clip(provider_id: str) -> None:
    added = video_clip_download(
        user_id="u", project_id=PROJECT, shot_number=12, provider_id=provider_id, external_url="x"
    )
    assert provider_in(added.job_id, PROJECT, 12) == in_job_id(provider_id)
    assert ":" not in added.job_id
    assert provider_in(added.job_id, PROJECT, 1) == "", "the shot is another"


@pytest.mark.parametrize("job_id", ["17", f"va_clip_download_{PROJECT}_12", f"va_sync_{PROJECT}"])
def test_other_ids_name_none(job_id: str) -> None:
    assert provider_in(job_id, PROJECT, 12) == ""
