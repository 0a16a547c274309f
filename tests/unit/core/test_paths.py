"""Paths that come with a job stay in the user's own folder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.paths import final_video, is_video_of, user_video

PROJECT = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize("path", [user_video("u-1", "temp-9"), final_video("u-1", PROJECT)])
def test_our_own_paths_are_known(path: str) -> None:
    assert is_video_of("u-1", path)
    assert not is_video_of("u-2", path)
    assert not is_video_of("u", path)


@given(st.text(alphabet="aB9-_./%\\\0\n é?#", max_size=30))
def test_nothing_leads_out_of_the_folder(rest: str) -> None:
    if is_video_of("u", f"videos/u/{rest}"):
        assert rest.isascii()
        assert rest.isprintable()
        assert not set(rest) & set("%\\ ?#")
        assert not any(part.startswith(".") or not part for part in rest.split("/"))
