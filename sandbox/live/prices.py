"""What the scenes cost that buy something, with the date and the kind of source of each price."""

from sandbox.live.stage import Stage

# By the beginning of the model's name; USD a picture.
_SEEDREAM = {
    "seedream-5-0-flash": "$0.018",
    "seedream-5-0-pro": "$0.09",  # above 2.36 million pixels
    "seedream-5-0": "$0.035",
    "seedream-4-5": "$0.04",
    "seedream-4-0": "$0.03",
}
_LISTS = "third-party lists, October 2026"

FILM = "1/60 credit: one a minute, by the second (help.shotstack.io 8580225, November 2026)"


def seedream_picture(stage: Stage) -> str:
    """The price of one picture by the model that is set."""
    model = stage.settings.byteplus_image_model.removeprefix("dola-").removeprefix("doubao-")
    price = next((price for name, price in _SEEDREAM.items() if model.startswith(name)), None)
    return f"{price} ({_LISTS})" if price else f"the price of {model} is not known here"


def gemini_picture(stage: Stage) -> str:
    """Google changes its prices with each model."""
    model = stage.settings.gemini_image_model
    return f"the price of {model}: ai.google.dev/gemini-api/docs/pricing"
