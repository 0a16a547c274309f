"""How often people hear of clips that nobody can be asked for."""

from core.alert import Alert
from core.errors import ServiceError
from services.clips.alerts import ClipAlerts


def refusal(message: str, service: str = "Wavespeed") -> ServiceError:
    return ServiceError(service, "poll a clip", message, status=404)


def test_a_reason_is_told_once_an_hour_however_many_clips_and_syncs() -> None:
    told: list[Alert] = []
    now = [0.0]
    alerts = ClipAlerts(told.append, lambda: now[0])
    for _ in range(3):
        alerts.stay_generating(
            "p1", [refusal("task 1 is not there"), refusal("task 2 is not there")]
        )
    alerts.stay_generating("p2", [refusal("task 3 is not there")])
    assert len(told) == 1
    assert told[0].text.startswith("⏳ 2 clips stay 'generating', Wavespeed ")
    assert told[0].about == {"project_id": "p1"}
    now[0] = 3601
    alerts.stay_generating("p2", [refusal("task 3 is not there")])
    assert len(told) == 2


def test_another_provider_or_reason_is_told_by_itself() -> None:
    told: list[Alert] = []
    alerts = ClipAlerts(told.append)
    alerts.stay_generating(
        "p1", [refusal("no such page"), refusal("wrong key"), refusal("wrong key", "Google")]
    )
    assert len(told) == 3
