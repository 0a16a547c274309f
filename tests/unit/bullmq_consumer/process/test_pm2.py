import os
import socket
import tempfile
from collections.abc import Iterator

import pytest

from bullmq_consumer.process.pm2 import notify_ready


@pytest.fixture
def parent_and_child() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a channel as Node makes it; the child's passes over exec."""
    parent, child = socket.socketpair()
    child.set_inheritable(True)
    parent.settimeout(5)
    with parent, child:
        yield parent, child


def test_the_parent_reads_one_json_message(
    parent_and_child: tuple[socket.socket, socket.socket], lines: list[str]
) -> None:
    parent, child = parent_and_child
    notify_ready({"NODE_CHANNEL_FD": str(child.fileno())})
    child.shutdown(socket.SHUT_WR)
    assert parent.makefile("rb").read() == b'"ready"\n'
    assert lines == []


@pytest.mark.parametrize("environment", [{}, {"NODE_CHANNEL_FD": ""}])
def test_without_a_channel_nothing_is_said(environment: dict[str, str], lines: list[str]) -> None:
    notify_ready(environment)
    assert lines == []


def test_our_own_sockets_are_not_written_to(
    parent_and_child: tuple[socket.socket, socket.socket], lines: list[str]
) -> None:
    """The variable is left over, and its number has become a connection of the worker's."""
    redis, connection = parent_and_child
    connection.set_inheritable(False)
    notify_ready({"NODE_CHANNEL_FD": str(connection.fileno())})
    connection.shutdown(socket.SHUT_WR)
    assert redis.recv(100) == b""
    assert "is no channel of the parent's" in lines[0]


def test_files_are_not_written_to(lines: list[str]) -> None:
    with tempfile.TemporaryFile() as file:
        os.set_inheritable(file.fileno(), True)
        notify_ready({"NODE_CHANNEL_FD": str(file.fileno())})
        assert os.fstat(file.fileno()).st_size == 0
    assert len(lines) == 1


def test_a_parent_that_has_gone_costs_a_line(
    parent_and_child: tuple[socket.socket, socket.socket], lines: list[str]
) -> None:
    parent, child = parent_and_child
    parent.close()
    notify_ready({"NODE_CHANNEL_FD": str(child.fileno())})
    [line] = lines
    assert "PM2 could not be notified that the worker is ready: [Errno" in line


@pytest.mark.parametrize("named", ["three", "-1", "1048575", str(2**80), "3\0"])
def test_a_number_that_names_nothing_costs_a_line(named: str, lines: list[str]) -> None:
    notify_ready({"NODE_CHANNEL_FD": named})
    [line] = lines
    assert "\n" not in line
