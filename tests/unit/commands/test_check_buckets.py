"""What check says of buckets that are not as the app's."""

import httpx
import pytest
import respx

from commands.checks import project
from commands.checks.finding import Mark
from config.environment import Environment
from config.settings import load_settings

URL = "https://x.supabase.co"
MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("bucket", "mark", "said"),
    [
        ({"file_size_limit": None}, Mark.OK, "files up to the project's limit"),
        ({"file_size_limit": 10 * MIB}, Mark.OK, "files up to 10 MiB"),
        ({"file_size_limit": 2 * MIB}, Mark.WARNING, "files up to 2 MiB"),
        ({"public": False}, Mark.FAILED, "user-images is private"),
        ({"id": "other"}, Mark.FAILED, "There is no bucket user-images"),
    ],
)
@respx.mock
async def test_a_bucket_is_judged(bucket: dict[str, object], mark: Mark, said: str) -> None:
    facts = {"id": "user-images", "public": True, **bucket}
    respx.route(url__startswith=f"{URL}/rest/v1/").mock(httpx.Response(200, json=[]))
    respx.get(f"{URL}/storage/v1/bucket").mock(httpx.Response(200, json=[facts]))
    values = {"SUPABASE_URL": URL, "SUPABASE_SERVICE_KEY": "sb_secret_abc"}
    settings = load_settings(environment=Environment(values, {}))
    found = await project.check(settings, "SUPABASE_SERVICE_KEY")
    assert [one.mark for one in found if said in one.text] == [mark]
