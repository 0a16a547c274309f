"""Clips and shots are paired by what renumbering does not change."""

from core.paths import clip_video
from handlers._film.clips import Clips
from services.supabase.clips import ClipRow

PROJECT = "11111111-1111-4111-8111-111111111111"
CLIP = "44444444-4444-4444-8444-444444444444"


def clips(*numbers: int) -> list[ClipRow]:
    return [ClipRow(id=f"c{n}", project_id=PROJECT, shot_number=n) for n in numbers]


def test_the_same_numbers_pair_at_once() -> None:
    found = Clips(clips(1, 2), {1: 4, 2: 8})
    assert found.is_settled
    assert found.lengths() == {1: 4, 2: 8}


def test_half_renumbered_rows_pair_in_their_order() -> None:
    """The first of three shots is deleted; one clip is renumbered, and no shot."""
    found = Clips(clips(1, 3), {2: 8, 3: 6})
    assert not found.is_settled
    assert found.lengths() == {1: 8, 3: 6}


def test_a_shot_without_a_clip_pairs_by_number() -> None:
    found = Clips(clips(1, 3), {1: 4, 2: 8, 3: 6})
    assert not found.is_settled
    assert found.lengths() == {1: 4, 2: 8, 3: 6}


def test_nothing_to_pair_is_not_waited_for() -> None:
    assert Clips([], {1: 4}).is_settled
    assert Clips(clips(1), {}).is_settled


def stored(generation: str, **columns: str) -> ClipRow:
    path = clip_video("u", PROJECT, 7, CLIP, generation)
    told = {"cdn_url": "https://x.example/a.mp4", "storage_status": "completed"}
    row = {"id": CLIP, "project_id": PROJECT, "shot_number": 1, "storage_path": path}
    return ClipRow.model_validate({**row, **told, **columns})


def test_a_copy_is_of_the_generation_in_its_path() -> None:
    row = stored("t1", seedance_task_id="t1")
    assert row.is_stored
    assert not row.shows_older_clip


def test_a_clip_that_was_ordered_again_has_an_older_copy() -> None:
    row = stored("t1", seedance_task_id="t2")
    assert not row.is_stored
    assert row.shows_older_clip


def test_a_copy_at_a_path_of_another_form_is_not_judged() -> None:
    row = stored("t1", seedance_task_id="t1", storage_path="videos/u/clips/shot-1.mp4")
    assert not row.is_stored
    assert not row.shows_older_clip
