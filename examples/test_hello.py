"""Tests of hello.py, without Redis: `pip install pytest pytest-asyncio`, then `pytest` here."""

import pytest
from hello import greet, send

from bullmq_consumer.testing import run_job

pytestmark = pytest.mark.asyncio


async def test_the_first_attempt_keeps_its_text_and_is_retried() -> None:
    ran = await run_job(greet, {"name": "Ada"}, attempts=3)
    assert (ran.state, ran.reason) == ("retrying", "The stamps have run out")
    assert (ran.progress, ran.steps) == ([{"percent": 10}], {"write": "Hello, Ada!"})


async def test_the_second_one_sends_what_the_first_one_wrote() -> None:
    ran = await run_job(greet, {"name": "Ada"}, attempt=2, attempts=3, steps={"write": "Hi!"})
    assert (ran.state, ran.result) == ("completed", {"greeting": "Hi!", "attempt": 2})
    [letter] = ran.added
    assert (letter.name, letter.job_id, letter.data) == ("send", "send_test", {"text": "Hi!"})


async def test_data_without_a_name_fail_at_once() -> None:
    ran = await run_job(greet, {}, attempts=3)
    assert (ran.state, ran.reason) == ("failed", "Invalid data: 'name': Field required")


async def test_a_letter_is_sent_in_a_thread() -> None:
    ran = await run_job(send, {"text": "Hi!"})
    assert ran.result == {"sent": "Hi!"}
