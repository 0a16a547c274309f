"""The words sent to an image model for one shot."""

import re
from collections.abc import Sequence

from core.storyboard.characters import MAX_REFERENCES, text_of
from core.storyboard.script import Character, Shot

MAX_PROMPT_LENGTH = 2000

STYLES = {
    "realistic": (
        "photorealistic live-action still, natural light, true-to-life skin, fur and fabric, "
        "35mm lens, fine detail"
    ),
    "anime": (
        "hand-drawn anime film frame, clean line art, cel shading, expressive eyes, "
        "painted background, vivid harmonious colours"
    ),
    "cinematic": (
        "still from a feature film, dramatic key light, anamorphic lens, shallow depth of field, "
        "rich colour grade, subtle film grain"
    ),
    "cyberpunk": (
        "cyberpunk, neon magenta and cyan light, deep shadows, drifting haze, "
        "dense high-tech detail, high contrast"
    ),
}
_DEFAULT_STYLE = STYLES["realistic"]

_LIKENESS = (
    "Keep each character's face, hair or fur, colours, build and clothing exactly as in that "
    "reference image; take pose, framing and background from the scene."
)
_ONCE = "Each character appears only once in the picture, with no duplicates or look-alikes."
_FRAME = (
    "One single full-frame image: no panels, no collage, "
    "no text, captions, subtitles, logos or watermarks."
)
# Scenes that legitimately show somebody twice. Not "twinkle", "cyclone", 眼镜 or 镜头.
_SEEN_TWICE = re.compile(
    r"(?<![a-z])(?:mirror|reflect|(?:twin(?:s|ned)?|clon(?:es?|ed|ing))(?![a-z]))"
    r"|[镜鏡][子中像]|倒[影映]|[双雙]胞胎|[孪孿]生|克隆"
)

# DB columns of camera angle and mood hold 100 characters.
_MAX_NOTE = 100
# 14 names of 32 characters with kind and image number take 14 x 58 = 812, which leaves some 500
# for the scene in the worst case.
_MAX_NAME = 32
_MAX_CAST = MAX_REFERENCES


def storyboard_prompt(
    shot: Shot, characters: Sequence[Character], style: str | None, references: int
) -> str:
    """The prompt of one shot, at most MAX_PROMPT_LENGTH characters, ending with its style.

    `references` images go with it, numbered as `core.storyboard.characters.references` orders them.
    """
    rest = " ".join([*_notes(shot), *_cast(characters, references), *_rules(shot)])
    ending = STYLES.get((style or "").strip().casefold(), _DEFAULT_STYLE)
    rest = f"{rest} Style: {ending}"
    opening = f"Storyboard shot {shot.shot_number}."
    scene = _scene(shot, MAX_PROMPT_LENGTH - len(opening) - len(rest) - 2)
    return f"{opening} {scene} {rest}"


def _scene(shot: Shot, limit: int) -> str:
    action = _labelled("Action", shot.character_action, limit // 3)
    return f"{_labelled('Scene', shot.description, limit - len(action) - 1)} {action}".rstrip()


def _notes(shot: Shot) -> list[str]:
    notes = (("Camera", shot.camera_angle), ("Mood", shot.mood))
    return [_labelled(label, text, _MAX_NOTE) for label, text in notes if text]


def _cast(characters: Sequence[Character], references: int) -> list[str]:
    """The characters in the picture, and which reference image shows which."""
    pictured = [one for one in characters if one.reference_image][:references]
    others = [one for one in characters if one not in pictured][: _MAX_CAST - len(pictured)]
    sentences: list[str] = []
    if pictured:
        pairs = (f"image {n} is {_named(one, one.kind)}" for n, one in enumerate(pictured, 1))
        sentences += [f"Reference images: {', '.join(pairs)}.", _LIKENESS]
    if others:
        names = ", ".join(_named(one, _look(one)) for one in others)
        sentences.append(f"{'Also in the scene' if pictured else 'Characters'}: {names}.")
    return sentences


def _rules(shot: Shot) -> list[str]:
    return [_FRAME] if _SEEN_TWICE.search(text_of(shot)) else [_ONCE, _FRAME]


def _named(character: Character, kind: str) -> str:
    name = _cut(character.short_name, _MAX_NAME)
    return f"{name} ({kind})" if name else f"the {kind}"


def _look(character: Character) -> str:
    """Kind with colour, for a character without a reference image."""
    return f"{character.colour} {character.kind}" if character.colour else character.kind


def _labelled(label: str, text: str, limit: int) -> str:
    """`label: text.`, at most `limit` characters; empty without text."""
    if not text:
        return ""
    content = _cut(text, limit - len(label) - 3)
    return f"{label}: {content}" if content[-1:] in ".!?…。！？" else f"{label}: {content}."


def _cut(text: str, limit: int) -> str:
    """At most `limit` characters, ending at a word border unless that would lose half of them."""
    if len(text) <= limit:
        return text
    head = text[:limit]
    space = head.rfind(" ")
    return f"{head[:space] if space > limit // 2 else head[:-1]}…"
