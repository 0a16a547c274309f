"""Reference images of an order: as addresses, or as what lies there."""

from base64 import b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loguru import logger

from core.errors import PermanentError, ServiceError, TransientError
from services.net.content import Kind

if TYPE_CHECKING:
    from services.net.downloads import Downloads

# Of all that are sent in one request, and the most that ModelArk takes of one. A request holds
# four times as much in memory, and a slow storage makes all requests do so.
_MOST_BYTES = 10 * 1024 * 1024
_DATA = "data:"
_TROUBLES = (PermanentError, TransientError, ServiceError)


class References:
    """The references of one order, most important first, as they are sent from try to try."""

    def __init__(self, urls: Sequence[str], downloads: "Downloads") -> None:
        self._sent = list(urls)
        self._downloads = downloads
        self._are_to_be_fetched = False

    def were_not_fetched(self) -> None:
        """Send data URIs from now on: the vendor could not fetch the addresses in time."""
        self._are_to_be_fetched = True

    async def sent(self) -> list[str]:
        """What is sent with the next try, in the same order.

        An address that cannot be fetched from here either stays one.
        """
        if self._are_to_be_fetched:
            self._are_to_be_fetched = False
            self._sent = await self._as_data()
        return self._sent

    async def _as_data(self) -> list[str]:
        """One after the other, so that no more than the limit is ever held."""
        left_bytes = _MOST_BYTES - sum(len(one) for one in self._sent if one.startswith(_DATA))
        sent: list[str] = []
        for url in self._sent:
            if url.startswith(_DATA) or left_bytes <= 0:
                sent.append(url)
                continue
            data, content_type = await self._fetch(url, left_bytes)
            left_bytes -= len(data)
            sent.append(f"{_DATA}{content_type};base64,{b64encode(data).decode()}" if data else url)
        return sent

    async def _fetch(self, url: str, most_bytes: int) -> tuple[bytes, str]:
        try:
            return await self._downloads.fetch_bytes(url, max_bytes=most_bytes, accept=Kind.IMAGE)
        except _TROUBLES as error:
            logger.warning("A reference stays an address, it cannot be fetched here: {}", error)
            return b"", ""
