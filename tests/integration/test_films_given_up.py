"""A composition that was given up while it waited, and whose person tries again."""

from starlette.requests import Request
from starlette.responses import Response

from sandbox.app_films import FilmPage
from sandbox.gateway import Gateway
from tests.integration.test_deadlines import OLD, asked_for_a_film, film_of
from tests.support.deadlines import clock_of, make_older
from tests.support.site import Site


class TriedAgain(Gateway):
    """The person tries again right before the first change of the project."""

    page: FilmPage | None = None

    async def _pass_on(self, request: Request) -> Response:
        if request.method == "PATCH" and self.page is not None:
            page, self.page = self.page, None
            assert (await page.open()).state == "processing"
        return await super()._pass_on(request)


async def test_a_film_that_is_tried_again_before_its_row_is_given_up_keeps_the_new_state(
    site: Site,
) -> None:
    """It is shown as failed at once; in an outage its row is written much later."""
    project, job_id = await asked_for_a_film(site)
    await make_older(site, job_id, OLD)
    async with (
        TriedAgain(site.vidfab.supabase) as supabase,
        clock_of(site, SUPABASE_URL=supabase.url) as clock,
    ):
        supabase.page = FilmPage(site.app, site.vidfab.supabase, project.id, project.user_id)
        await clock.look()
        assert supabase.page is None
    assert (await film_of(site, project))["step_6_status"] == "processing"
