"""What the writer says without a broker; what it does is in `tests/integration/test_transport_writer.py`."""

from __future__ import annotations

import inspect

import pytest

from transport.settings import KafkaSettings
from transport.writer import Step, TransactionalWriter, WriterUnusableError


def test_the_steps_are_numbered_in_the_order_they_are_taken() -> None:
    assert list(Step) == sorted(Step)
    assert [step.name for step in Step] == [
        "CHECKED",
        "BEGUN",
        "RECORDS_WRITTEN",
        "LAST_WRITTEN",
        "OFFSETS_SENT",
        "COMMITTED",
    ]


def test_each_step_says_what_a_crash_there_leaves_behind() -> None:
    source = inspect.getsource(Step)
    explanations = [source.split(f"{step.name} = {step.value}")[1].split('"""')[1] for step in Step]
    assert len(set(explanations)) == len(Step)
    assert all("crash" in explanation or "As " in explanation for explanation in explanations)


async def test_a_writer_that_was_never_open_refuses_at_the_call_and_can_be_closed() -> None:
    writer = TransactionalWriter(KafkaSettings(), "kordon.streams-0")
    with pytest.raises(WriterUnusableError, match=r"kordon\.streams-0"):
        await writer.commit([], {}, "group")
    await writer.close()
