"""BytePlus ModelArk, which sells Seedream's pictures and Seedance's clips: its key."""

from services.key_probe import UNKNOWN_ID, Vendor

BYTEPLUS = Vendor(
    "BytePlus",
    key_field="byteplus_key",
    serves="Seedream pictures and Seedance clips",
    url=lambda settings: f"{settings.byteplus_url}/contents/generations/tasks/{UNKNOWN_ID}",
)
