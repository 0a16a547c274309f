"""A video of the recordings: its row, its stored file, and the picture made of it."""

import asyncio
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from sandbox.vidfab import VidFab
from tests.support.recordings import USER
from tests.support.site import Ended, Site

VIDEO = "22222222-2222-4222-8222-222222222222"
VIDEO_PATH = f"videos/{USER}/{VIDEO}.mp4"
THUMBNAIL_PATH = f"thumbnails/{USER}/{VIDEO}.jpg"


async def lay_video(vidfab: VidFab, file: Path | None = None, **columns: Any) -> None:
    """The user, the row as download_video leaves it, and the file in the bucket."""
    await vidfab.supabase.insert("users", [{"uuid": USER, "email": "user@example.com"}])
    row = {
        "id": VIDEO,
        "user_id": USER,
        "wavespeed_request_id": "request-1",
        "prompt": "A red door",
        "settings": {},
        "status": "processing",
        **columns,
    }
    await vidfab.supabase.insert("user_videos", [row])
    if file is not None:
        await store_video(vidfab, file)


async def store_video(vidfab: VidFab, file: Path, path: str = VIDEO_PATH) -> None:
    headers = {"content-type": "video/mp4", "x-upsert": "true"}
    place = f"/storage/v1/object/user-videos/{path}"
    content = await asyncio.to_thread(file.read_bytes)
    await vidfab.supabase.request("POST", place, content=content, headers=headers)


async def video_row(vidfab: VidFab) -> dict[str, Any]:
    [row] = await vidfab.supabase.rows("user_videos", id=f"eq.{VIDEO}")
    return row


async def stored_picture(vidfab: VidFab, path: str = THUMBNAIL_PATH) -> Image.Image:
    """As a browser gets it, decoded by another library."""
    url = f"{vidfab.supabase.url}/storage/v1/object/public/video-thumbnails/{path}"
    async with httpx.AsyncClient(trust_env=False) as client:
        response = (await client.get(url)).raise_for_status()
    return Image.open(BytesIO(response.content))


async def picture_metadata(vidfab: VidFab) -> dict[str, Any]:
    """What storage keeps; the sandbox's own answers give a type by the name's ending."""
    path = f"/storage/v1/object/info/video-thumbnails/{THUMBNAIL_PATH}"
    return (await vidfab.supabase.request("GET", path))["metadata"]


WISHES = {"width": 1280, "height": 720, "quality": 80, "format": "jpg", "timeOffset": 1}


def thumbnail_job(**change: Any) -> dict[str, Any]:
    data = {
        "userId": USER,
        "videoId": VIDEO,
        "videoPath": VIDEO_PATH,
        "thumbnailPath": THUMBNAIL_PATH,
        "thumbnailSettings": WISHES,
        **change,
    }
    return {key: value for key, value in data.items() if value is not None}


def with_wishes(**change: Any) -> dict[str, Any]:
    return thumbnail_job(thumbnailSettings={**WISHES, **change})


async def thumbnail_made(site: Site, data: Any, **options: Any) -> Ended:
    job_id = await site.app.add("generate_thumbnail", data, {"priority": 3, **options})
    return await site.ended(job_id)


def colour(picture: Image.Image) -> str:
    """The strongest of the three primary colours in the picture's middle; black has none."""
    pixel = picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(pixel, tuple)
    name, strength = max(zip(("red", "green", "blue"), pixel, strict=True), key=lambda one: one[1])
    return name if strength > 200 and sorted(pixel)[1] < 60 else f"none of them: {pixel}"
