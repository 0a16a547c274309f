"""Films that meet Shotstack's limit of requests: a window of a minute, and no Retry-After."""

from sandbox.providers.models import Timing
from tests.integration.test_compose import add, check_composed_once, lay, rendering
from tests.support.compositions import JOB, RENDERS, shotstack
from tests.support.site import Site


async def refused(site: Site) -> int:
    """How many requests met the limit."""
    found = await site.vidfab.providers.control.requests(f"{RENDERS}*")
    return sum(one.status == 429 for one in found)


async def test_an_order_over_the_limit_costs_no_attempt(site: Site) -> None:
    """Three attempts, 10 and 20 s apart, would all fall into the same minute."""
    await lay(site)
    control = site.vidfab.providers.control
    await control.timing(Timing(renders=0))
    await control.limit(0)
    worker = await site.worker(**shotstack(site.vidfab))
    await add(site)
    await site.app.wait_for(JOB, "delayed")
    job = await site.app.job(JOB)
    assert job is not None
    assert job.attempts_made == 0
    assert await refused(site) <= 4
    await worker.stop()

    await control.limit(None)
    await site.app.promote(JOB)
    await site.worker(**shotstack(site.vidfab))  # another one knows of no limit
    done = await site.finished(JOB)
    assert (done.state, done.attempts_made) == ("completed", 1)
    assert (await control.paid()).renders == 1


async def test_a_render_that_may_not_be_asked_about_goes_on_and_is_not_ordered_twice(
    site: Site,
) -> None:
    await lay(site)
    control = site.vidfab.providers.control
    await control.timing(Timing(renders=0))
    await control.limit(1)  # the order
    worker = await site.worker(**shotstack(site.vidfab))
    await add(site)
    await rendering(site)
    assert "unknown" in site.progress(JOB)[-1]["message"]
    assert await refused(site) <= 4, "the rest of the minute nobody asks"
    await worker.stop()

    await control.limit(None)
    await site.worker(**shotstack(site.vidfab))
    await check_composed_once(site)
    assert (await site.finished(JOB)).attempts_made == 1
