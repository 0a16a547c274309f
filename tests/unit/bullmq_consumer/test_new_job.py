import pytest

from bullmq_consumer.new_job import NewJob


@pytest.mark.parametrize(
    ("job_id", "said"), [("a:b", "holds no colon"), ("47", "is no number"), ("٤٧", "is no number")]
)
def test_ids_that_node_refuses_are_refused(job_id: str, said: str) -> None:
    """The Python port takes them: later Node's own counter gives 47 to another job."""
    with pytest.raises(ValueError, match=said):
        NewJob("x", job_id, {})


def test_others_are_taken() -> None:
    assert NewJob("x", "va_sync_47", {}).job_id == "va_sync_47"
