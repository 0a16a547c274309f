"""References that the vendor could not fetch are fetched here, and sent."""

from base64 import b64decode
from collections.abc import Callable
from typing import Any

from services.images.references import References
from services.net.downloads import Downloads

Response = Callable[..., bytes]


async def test_addresses_are_sent_at_first(client: Downloads, media: Any) -> None:
    urls = [media.url("/1.jpg"), media.url("/2.jpg")]
    references = References(urls, client)
    assert await references.sent() == urls
    assert not media.requests


async def test_what_the_vendor_could_not_fetch_is_sent_as_it_is(
    client: Downloads, media: Any, response: Response, pictures: dict[str, bytes]
) -> None:
    jpeg, png = pictures["image/jpeg"], pictures["image/png"]
    urls = [media.on("/1.jpg", response(jpeg)), media.on("/2.jpg", response(png))]
    references = References(urls, client)
    references.were_not_fetched()
    first, second = await references.sent()
    assert (first[:23], second[:22]) == ("data:image/jpeg;base64,", "data:image/png;base64,")
    assert (b64decode(first[23:]), b64decode(second[22:])) == (jpeg, png)
    assert await references.sent() == [first, second]
    assert len(media.requests) == 2, "each is fetched once for all tries"


async def test_what_cannot_be_fetched_here_either_stays_an_address(
    client: Downloads, media: Any, response: Response, jpeg: bytes
) -> None:
    missing = media.on("/0.jpg", response(b"", status="404 Not Found"))
    references = References([missing, media.on("/1.jpg", response(jpeg))], client)
    references.were_not_fetched()
    first, second = await references.sent()
    assert (first, second[:5]) == (missing, "data:")


async def test_no_more_is_held_than_10_mib(
    client: Downloads, media: Any, response: Response, jpeg: bytes
) -> None:
    """Three of 4 MiB: the last one does not fit, a small one behind it does."""
    comment = b"\xff\xfe\xff\xff" + bytes(65533)
    large = jpeg[:2] + 64 * comment + jpeg[2:]
    urls = [media.on(f"/{n}.jpg", response(large)) for n in range(3)]
    urls.append(media.on("/small.jpg", response(jpeg)))
    references = References(urls, client)
    references.were_not_fetched()
    sent = await references.sent()
    assert [one.startswith("data:") for one in sent] == [True, True, False, True]
    assert sent[2] == urls[2]
    references.were_not_fetched()
    again = await references.sent()
    assert again == sent, "what is data stays so, and counts"
