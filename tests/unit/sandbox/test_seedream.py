"""What the stand-in for Seedream takes, and refuses as ModelArk does."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.providers.files.store import Store
from sandbox.providers.vendors.errors import Refused
from sandbox.providers.vendors.seedream import read_order

LITE = "seedream-5-0-260128"
STRICT = [
    f"{maker}seedream-5-0-{family}-260915"
    for maker in ("", "dola-", "doubao-")
    for family in ("flash", "pro")
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def body(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "prompt": "A cat by a door", "size": "2048x2048", **fields}


def references(count: int) -> list[str]:
    return [f"https://x.example.com/{number}.jpg" for number in range(count)]


async def refused(store: Store, request: dict[str, Any]) -> dict[str, Any]:
    with pytest.raises(Refused) as raised:
        await read_order(request, store)
    assert raised.value.status == 400
    return raised.value.body["error"]


@pytest.mark.parametrize("model", STRICT)
@pytest.mark.parametrize(
    "field", [{"sequential_image_generation": "disabled"}, {"stream": False}], ids=str
)
async def test_pro_and_flash_refuse_a_request_that_names_what_they_lack(
    store: Store, model: str, field: dict[str, Any]
) -> None:
    error = await refused(store, body(model, **field))
    assert error["code"] == "InvalidParameter"
    assert error["param"] == next(iter(field))
    assert (await read_order(body(LITE, **field), store)).model == LITE


@pytest.mark.parametrize("model", STRICT)
async def test_pro_and_flash_refuse_the_largest_presets(store: Store, model: str) -> None:
    error = await refused(store, body(model, size="2848x1600"))
    assert "must have 921600 to 4194304 pixels" in error["message"]
    assert (await read_order(body(LITE, size="2848x1600"), store)).width == 2848


@pytest.mark.parametrize(("model", "most"), [(LITE, 14), *((one, 10) for one in STRICT)])
async def test_the_references_that_a_model_takes(store: Store, model: str, most: int) -> None:
    order = await read_order(body(model, image=references(most)), store)
    assert order.references == most
    error = await refused(store, body(model, image=references(most + 1)))
    assert f"must be 1 to {most} images" in error["message"]


async def test_a_reference_that_is_not_to_be_had_is_named_as_the_vendor_does(store: Store) -> None:
    url = f"{store.base_url}/nothing/here.jpg"
    error = await refused(store, body(LITE, image=url))
    assert error["code"] == "InvalidParameter"
    assert error["message"].startswith(f"Error while downloading url: {url}")
