"""What views say without a broker; what they do is in `tests/integration/test_transport_views.py`."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition

from transport.settings import KafkaSettings
from transport.views import View, ViewFailedError


async def test_a_view_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one partition"):
        View(KafkaSettings(), [], lambda *_: None)


async def test_a_view_that_is_not_open_is_not_caught_up_with_anything() -> None:
    partition = TopicPartition("t", 0)
    view = View(KafkaSettings(), [partition], lambda *_: None)
    with pytest.raises(ViewFailedError):
        await view.caught_up(partition, 0, 1)
    with pytest.raises(KeyError):
        view.position(partition)
    await view.close()


async def test_a_view_that_cannot_connect_fails_when_it_is_opened() -> None:
    view = View(KafkaSettings(bootstrap_servers="127.0.0.1:1"), [TopicPartition("t", 0)], lambda *_: None)
    with pytest.raises(ViewFailedError) as failure:
        await view.open()
    assert failure.value.__cause__ is not None
    await view.close()
