"""BytePlus ModelArk, which sells Seedream's pictures and Seedance's clips: its key."""

from config.settings import Settings
from services.accounts import modelark
from services.accounts.vendor import UNKNOWN_ID, Question, Vendor

_NO_MODEL = "no-such-model"


def _questions(settings: Settings) -> tuple[Question, Question]:
    base, model = settings.byteplus_url, settings.byteplus_image_model
    return (
        Question(
            f"accepts the key at {base}",
            f"{base}/contents/generations/tasks/{UNKNOWN_ID}",
            modelark.TASK,
            where=base,
        ),
        Question(
            f"serves the model {model}",
            f"{base}/images/generations",
            modelark.PICTURE,
            where=base,
            model=model,
            body=_without_prompt(model),
            control=_without_prompt(_NO_MODEL),
            for_pictures=True,
        ),
    )


def _without_prompt(model: str) -> dict[str, str]:
    """An order that is refused for two reasons: of so few pixels there is no picture either."""
    return {"model": model, "size": "1x1"}


BYTEPLUS = Vendor(
    "BytePlus",
    key_field="byteplus_key",
    serves="Seedream pictures and Seedance clips",
    questions=_questions,
)
