"""What the consumer's page shows is what stands in examples/, where a test runs it."""

import pytest

from tests.support.pages import ROOT, Page


@pytest.mark.parametrize(("language", "name"), [("python", "hello.py"), ("js", "producer.mjs")])
def test_the_page_of_the_consumer_shows_the_example(language: str, name: str) -> None:
    page = Page(ROOT / "bullmq_consumer/README.md")
    shown = [block.text for block in page.blocks if block.language == language]
    assert shown[0] == (ROOT / "examples" / name).read_text("utf-8")
