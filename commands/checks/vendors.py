"""The providers of pictures, clips and films."""

from commands.checks.finding import Finding, Mark, failed, ok, warning
from config.settings import Settings, image_key_variables
from services.accounts.asking import Answer, ask
from services.accounts.vendor import Vendor
from services.accounts.verdicts import UNREACHABLE, Verdict
from services.images.choice import picture_vendors

AREA = "Providers"

# What happened, by the verdict; the vendor's own words follow in brackets.
_TEXTS = {
    Verdict.OPEN: "{vendor} {opens}",
    Verdict.KEY: "{vendor} refuses the key at {where}",
    Verdict.RIGHTS: "{vendor} knows the key at {where}, and does not allow it this",
    Verdict.MODEL: "{vendor} does not serve {model} at {where}",
    Verdict.ADDRESS: "{vendor} is not what answers at {where}",
    Verdict.PLACE: "{vendor} does not serve the country of this machine",
    Verdict.CREDIT: "{vendor} serves nothing until the account is paid for",
    Verdict.SPENT: "{vendor} serves nothing: a limit of the account is used up",
    Verdict.BUSY: "{vendor} serves nothing at this moment: too many requests",
    Verdict.DOWN: "{vendor} is out of order at {where}",
    Verdict.UNTOLD: '{vendor} did not tell whether it "{opens}"',
    Verdict.UNKNOWN: "{vendor} answered at {where} what this worker does not know",
}
# The worker may work all the same.
_WARNINGS = frozenset({Verdict.BUSY, Verdict.UNTOLD, Verdict.UNKNOWN})
_ANY_MODEL = "what is asked for"


async def check_choice(settings: Settings) -> list[Finding]:
    """Check that providers for pictures and films are configured."""
    composer = "Shotstack" if settings.renderer_key else "ffmpeg on this machine"
    found = [ok(AREA, f"Final videos are made by {composer}")]
    if not settings.has_image_key:
        text = "No image provider: every storyboard job would fail"
        return [failed(AREA, text, f"Set {image_key_variables()}"), *found]
    return found


async def check_key(settings: Settings, vendor: Vendor, *, live: bool) -> list[Finding]:
    """Check that the key is set and, with `live`, that the vendor serves the account."""
    key = vendor.key(settings)
    if key is None:
        return [_absent(vendor)]
    if not live:
        return [ok(AREA, f"{vendor.name}: {vendor.variable} is set (--live checks it)")]
    sells = vendor in picture_vendors(settings)
    questions = [one for one in vendor.questions(settings) if sells or not one.for_pictures]
    answers = await ask(vendor, settings, key, questions)
    return [_finding(vendor, answer, sells=sells) for answer in answers]


def _absent(vendor: Vendor) -> Finding:
    text = f"{vendor.name}: no key"
    if vendor.has_substitute:
        return ok(AREA, text)
    return warning(AREA, text, f"Set {vendor.variable} if the app uses {vendor.serves}")


def _finding(vendor: Vendor, answer: Answer, *, sells: bool) -> Finding:
    """`sells`: pictures are bought from this vendor, so that its model matters."""
    text = answer.quoted if answer.row is UNREACHABLE else _text(vendor, answer)
    advice = "" if answer.verdict is Verdict.OPEN else answer.row.advice.format(key=vendor.variable)
    return Finding(_mark(answer.verdict, sells=sells), AREA, text, advice)


def _mark(verdict: Verdict, *, sells: bool) -> Mark:
    if verdict is Verdict.OPEN:
        return Mark.OK
    is_mild = verdict in _WARNINGS or (verdict is Verdict.MODEL and not sells)
    return Mark.WARNING if is_mild else Mark.FAILED


def _text(vendor: Vendor, answer: Answer) -> str:
    asked = answer.question
    text = _TEXTS[answer.verdict].format(
        vendor=vendor.name,
        opens=asked.opens,
        where=asked.where,
        model=f"the model {asked.model}" if asked.model else _ANY_MODEL,
    )
    return f"{text} ({answer.quoted})" if answer.quoted else text
