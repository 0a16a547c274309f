import re
from pathlib import Path

import bullmq
import pytest

from bullmq_consumer.scripts.library_scripts import PLACES


@pytest.mark.parametrize("name", PLACES)
def test_the_keys_stand_where_the_library_says(name: str) -> None:
    """At the head of each of its scripts, as `KEYS[1] 'wait'`."""
    folder = Path(bullmq.__file__).parent / "commands"
    [script] = folder.glob(f"{name}-*.lua")
    head = script.read_text("utf-8").partition("]]\n")[0].partition("]] local")[0]
    told = dict(re.findall(r"KEYS\[(\d+)\]\s+'?(\w+)", head))
    assert [told[str(place)] for place in PLACES[name]] == ["wait", "paused", "meta"]
