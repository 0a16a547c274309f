"""Shots and characters as the app sends them with a storyboard job, cleaned on the way in."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from core.storyboard.appearance import appearance
from core.storyboard.text import clean, split_name

MAX_SHOT_NUMBER = 1000


def _cleaned(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def _none_as_text(value: object) -> object:
    return "" if value is None else value


def _none_as_empty(value: object) -> object:
    return () if value is None else value


def _without_blanks(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(stripped for value in values if (stripped := value.strip()))


# Limits come first: they then count what is left after cleaning.
_Text = Annotated[
    str, Field(max_length=5000), BeforeValidator(_cleaned), BeforeValidator(_none_as_text)
]
_Texts = Annotated[
    tuple[str, ...],
    Field(max_length=200),
    AfterValidator(_without_blanks),
    BeforeValidator(_none_as_empty),
]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Shot(_Model):
    """One shot of the script. `characters` are names as the script analysis wrote them."""

    shot_number: int = Field(ge=1, le=MAX_SHOT_NUMBER)
    description: Annotated[str, Field(min_length=1, max_length=5000), BeforeValidator(_cleaned)]
    camera_angle: _Text = ""
    character_action: _Text = ""
    characters: _Texts = ()
    mood: _Text = ""


class Character(_Model):
    """A person or animal of the story. `reference_images` are URLs, the newest last."""

    id: Annotated[str, Field(max_length=500)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=500), BeforeValidator(_cleaned)]
    reference_images: _Texts = ()

    @property
    def short_name(self) -> str:
        """The name alone: "Ginger" of "Ginger (orange tabby cat, animated)"; may be empty."""
        return split_name(self.name)[0]

    @property
    def description(self) -> str:
        """The text in the parenthesis: "orange tabby cat, animated"; may be empty."""
        return split_name(self.name)[1]

    @property
    def kind(self) -> str:
        """One plain word: cat, man, robot …; "person" or "character" by default."""
        return appearance(self.description).kind

    @property
    def colour(self) -> str | None:
        """The kind's colour: "orange" of an "orange tabby cat"."""
        return appearance(self.description).colour

    @property
    def aliases(self) -> tuple[str, ...]:
        """What a script may call it, folded: cat, orange cat, tabby cat, orange tabby cat."""
        return appearance(self.description).aliases

    @property
    def reference_image(self) -> str | None:
        """The newest one."""
        return self.reference_images[-1] if self.reference_images else None
