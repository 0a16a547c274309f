"""URLs of our own storage, and whose objects they are."""

import pytest

from core.paths import Bucket, StoredObject, stored_object

BASE = "https://x.supabase.co"
OBJECT = f"{BASE}/storage/v1/object"


@pytest.mark.parametrize(
    ("url", "bucket", "path"),
    [
        (f"{OBJECT}/public/user-videos/videos/u/v.mp4", Bucket.VIDEOS, "videos/u/v.mp4"),
        (f"{OBJECT}/public/user-images/images/u/a.jpg?t=1#x", Bucket.IMAGES, "images/u/a.jpg"),
        (
            f"{OBJECT}/sign/video-thumbnails/thumbnails/u/v.jpg?token=a.b/c",
            Bucket.THUMBNAILS,
            "thumbnails/u/v.jpg",
        ),
        (f"{OBJECT}/public/user-images/temp/u/a%20b.jpg", Bucket.IMAGES, "temp/u/a b.jpg"),
    ],
)
def test_an_object_of_this_project(url: str, bucket: Bucket, path: str) -> None:
    assert stored_object(url, BASE) == StoredObject(bucket, path)


@pytest.mark.parametrize(
    "url",
    [
        "https://y.supabase.co/storage/v1/object/public/user-images/images/u/a.jpg",
        "https://x.supabase.co.evil.example/storage/v1/object/public/user-images/images/u/a.jpg",
        "https://x.supabase.co@evil.example/storage/v1/object/public/user-images/images/u/a.jpg",
        f"{OBJECT}/public/other-bucket/images/u/a.jpg",
        f"{OBJECT}/public/user-images/",
        f"{OBJECT}/public/user-images/images/u/../v/a.jpg",
        f"{OBJECT}/public/user-images/images/u/%2e%2e/v/a.jpg",
        f"{OBJECT}/public/user-images/images/u/%252e%252e/v/a.jpg",
        f"{OBJECT}/public/user-images/images//u/a.jpg",
        f"{OBJECT}/public/user-images/images/u/a%5c..%5cb.jpg",
        f"{OBJECT}/public/user-images/images/u/a%00.jpg",
        f"{OBJECT}/public/user-images/images/u/a%0a.jpg",
        f"{OBJECT}/list/user-images/images/u/a.jpg",
        f"{BASE}/rest/v1/users",
        "",
    ],
)
def test_nothing_of_ours(url: str) -> None:
    assert stored_object(url, BASE) is None


@pytest.mark.parametrize(
    ("path", "is_ours"),
    [
        ("images/u/a.jpg", True),
        ("images/u/video-agent/p/a.jpg", True),
        ("images/v/u/a.jpg", False),
        ("u/a.jpg", False),
        ("images/u", False),
        ("images/U/a.jpg", False),
        ("images/uu/a.jpg", False),
    ],
)
def test_whose_object_it_is(path: str, is_ours: bool) -> None:
    assert StoredObject(Bucket.IMAGES, path).is_under("u") is is_ours
