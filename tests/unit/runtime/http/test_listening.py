"""Where the endpoints listen, and what is said about it."""

import socket
from typing import cast

import pytest

from config.environment import Environment
from config.settings import Settings, load_settings
from runtime.http.listening import CannotListen, _announce, listen


def settings(**more: str) -> Settings:
    values = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_KEY": "sb_secret_1"}
    return load_settings(environment=Environment({**values, **more}, {}))


class Listening:
    """A socket on an address that a test must not listen on."""

    def __init__(self, host: str) -> None:
        self.getsockname = lambda: (host, 9100)


@pytest.mark.parametrize(
    ("host", "token", "warns"),
    [
        ("127.0.0.1", {}, False),
        ("::1", {}, False),
        ("0.0.0.0", {"HEALTH_TOKEN": "operators"}, False),
        ("0.0.0.0", {}, True),
        ("::", {}, True),
    ],
)
def test_an_open_port_without_a_token_is_warned_of(
    host: str, token: dict[str, str], warns: bool, lines: list[str]
) -> None:
    listening = cast("socket.socket", Listening(host))
    _announce(settings(HEALTH_PORT="9100", HEALTH_HOST=host, **token), listening)
    assert [line for line in lines if "WARNING" in line] == (
        [f"WARNING HEALTH_HOST={host} lets other machines read jobs and metrics: set HEALTH_TOKEN"]
        if warns
        else []
    )


def test_what_is_no_address_is_refused() -> None:
    host = "x" * 64  # longer than a part of a host name may be: no name server is asked
    with pytest.raises(CannotListen, match=r"^HEALTH_HOST: no address has this name, wants "):
        listen(host, 9100)


def test_a_port_beyond_the_last_is_refused() -> None:
    with pytest.raises(CannotListen, match=r"HEALTH_PORT: cannot listen on .*:65536"):
        listen("127.0.0.1", 65_536)


def test_an_address_of_another_machine_is_no_matter_of_the_port() -> None:
    with pytest.raises(
        CannotListen, match=r"^HEALTH_HOST: cannot listen on 192.0.2.1:9100 .*0.0.0"
    ):
        listen("192.0.2.1", 9100)
