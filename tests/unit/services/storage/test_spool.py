import asyncio
from pathlib import Path

import pytest

from services.storage.spool import Spool, spooled


async def read(spool: Spool, begin: int, end: int) -> bytes:
    return b"".join([piece async for piece in spool.pieces(begin, end)])


async def settled() -> None:
    """Until every waiting reader has taken what is there."""
    await asyncio.sleep(0.05)


async def test_a_reader_follows_the_writer(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096
    with spooled(tmp_path / "spool", len(content)) as spool:
        reading = asyncio.create_task(read(spool, 0, len(content)))
        for place in range(0, len(content), 100_000):
            await spool.write(content[place : place + 100_000])
        await spool.finish()
        assert await reading == content
        assert await read(spool, 1000, 2000) == content[1000:2000]
    assert (tmp_path / "spool").read_bytes() == content


async def test_the_end_waits_until_the_source_was_found_whole(tmp_path: Path) -> None:
    with spooled(tmp_path / "spool", 10) as spool:
        await spool.write(b"0123456789")
        assert await read(spool, 0, 9) == b"012345678"
        reading = asyncio.create_task(read(spool, 9, 10))
        await settled()
        assert not reading.done()
        await spool.finish()
        assert await reading == b"9"


async def test_the_size_is_announced_or_known_at_the_end(tmp_path: Path) -> None:
    with spooled(tmp_path / "a", 10) as spool:
        assert await spool.known_size() == 10
    with spooled(tmp_path / "b", None) as spool:
        asking = asyncio.create_task(spool.known_size())
        await spool.write(b"0123")
        await settled()
        assert not asking.done()
        await spool.finish()
        assert await asking == 4


async def test_more_than_there_is(tmp_path: Path) -> None:
    with spooled(tmp_path / "spool", None) as spool:
        await spool.write(b"0123")
        await spool.finish()
        with pytest.raises(EOFError):
            await read(spool, 0, 5)
