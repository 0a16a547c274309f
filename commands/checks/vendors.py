"""The providers of pictures, clips and films."""

from commands.checks.finding import Finding, failed, ok, warning
from config.settings import Settings, image_key_variables
from services.key_probe import Accepted, Answer, Vendor, probe_key

AREA = "Providers"


async def check_choice(settings: Settings) -> list[Finding]:
    """Check that providers for pictures and films are configured."""
    composer = "Shotstack" if settings.renderer_key else "ffmpeg on this machine"
    found = [ok(AREA, f"Final videos are made by {composer}")]
    if not settings.has_image_key:
        text = "No image provider: every storyboard job would fail"
        return [failed(AREA, text, f"Set {image_key_variables()}"), *found]
    return found


async def check_key(settings: Settings, vendor: Vendor, *, live: bool) -> list[Finding]:
    """Check that the key is set and, with `live`, accepted by the vendor."""
    key = vendor.key(settings)
    if key is None:
        return [_absent(vendor)]
    if not live:
        return [ok(AREA, f"{vendor.name}: {vendor.variable} is set (--live checks it)")]
    return [_finding(vendor, await probe_key(vendor, settings, key))]


def _absent(vendor: Vendor) -> Finding:
    text = f"{vendor.name}: no key"
    if vendor.has_substitute:
        return ok(AREA, text)
    return warning(AREA, text, f"Set {vendor.variable} if the app uses {vendor.serves}")


def _finding(vendor: Vendor, answer: Answer) -> Finding:
    match answer.accepted:
        case Accepted.YES:
            return ok(AREA, f"{vendor.name} accepts the key")
        case Accepted.NO:
            text = f"{vendor.name} refuses the key ({answer.message})"
            return failed(AREA, text, f"Set {vendor.variable} to a key that is valid there")
        case Accepted.UNKNOWN:
            return failed(
                AREA, answer.message, "Try again later; check its address and the network"
            )
