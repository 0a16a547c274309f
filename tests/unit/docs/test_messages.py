import pytest

from config.variables import Language
from scripts.messages import PAGES, page


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_pages_are_those_of_the_code(language: Language) -> None:
    """Otherwise: `python -m scripts.messages`."""
    assert PAGES[language].read_text("utf-8") == page(language)
