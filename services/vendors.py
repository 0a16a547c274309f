"""The vendors that the worker may have a key of, each once."""

from services.clips.choice import CLIP_PROVIDERS
from services.films.shotstack import SHOTSTACK
from services.images.choice import IMAGE_PROVIDERS

_OF_IMAGES = (provider.vendor for provider in IMAGE_PROVIDERS.values())
_OF_CLIPS = (provider.vendor for provider in CLIP_PROVIDERS.values())

VENDORS = tuple(dict.fromkeys((*_OF_IMAGES, *_OF_CLIPS, SHOTSTACK)))
