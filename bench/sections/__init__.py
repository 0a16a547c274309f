"""What is measured, one module a section, in the order of the table."""

from collections.abc import Awaitable, Callable

from bench.figure import Figure
from bench.sections import (
    bare_start,
    commands,
    distance,
    face,
    growth,
    idle,
    latency,
    many,
    memory,
    paced,
    peers,
    start,
    storyboards,
    throughput,
    transfer,
)
from bench.setup import Bench

SECTIONS: dict[str, Callable[[Bench], Awaitable[list[Figure]]]] = {
    "start": start.measure,
    "bare_start": bare_start.measure,
    "memory": memory.measure,
    "idle": idle.measure,
    "commands": commands.measure,
    "throughput": throughput.measure,
    "peers": peers.measure,
    "face": face.measure,
    "latency": latency.measure,
    "storyboards": storyboards.measure,
    "many": many.measure,
    "distance": distance.measure,
    "transfer": transfer.measure,
    "paced": paced.measure,
    "growth": growth.measure,
}
