"""Leaving a foreign broker as it was found: the demo's topics and consumer groups are deleted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupIdNotFound, NoError, NonEmptyGroup, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.admin import DeleteGroupsRequest

from transport.client import admin_arguments

if TYPE_CHECKING:
    from transport.settings import KafkaSettings

_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 1.0


async def remove_everything(settings: KafkaSettings) -> tuple[list[str], list[str]]:
    """Delete every topic and consumer group whose name starts with the prefix; return their names.

    A group whose members are just leaving is waited for (up to 20 s).

    Raises:
        ValueError: the prefix is empty, so this would delete what is not ours.
        KafkaError: the broker refuses, or a group still has members.
    """
    if not settings.prefix:
        raise ValueError("without a prefix nothing tells our topics from others")
    admin = AIOKafkaAdminClient(**admin_arguments(settings))
    try:
        await admin.start()
        topics = sorted(name for name in await admin.list_topics() if name.startswith(settings.prefix))
        if topics:
            response = await admin.delete_topics(topics)
            for name, code in response.topic_error_codes:
                _check(code, name, UnknownTopicOrPartitionError)
        known = [group[0] for group in await admin.list_consumer_groups()]
        groups = sorted(name for name in known if name.startswith(settings.prefix))
        for group in groups:
            await _delete_group(admin, group)
    finally:
        await admin.close()
    return topics, groups


async def _delete_group(admin: AIOKafkaAdminClient, group: str) -> None:
    code = NonEmptyGroup.errno
    for _attempt in range(_ATTEMPTS):
        coordinator = await admin.find_coordinator(group)
        # aiokafka knows the request, but its admin client has no method for it.
        response = await admin._send_request_to_node(coordinator, DeleteGroupsRequest([group]))  # noqa: SLF001
        code = response.results[0][1]
        if code != NonEmptyGroup.errno:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
    _check(code, group, GroupIdNotFound)


def _check(code: int, name: str, already_gone: type[Exception]) -> None:
    error = for_code(code)
    if error not in (NoError, already_gone):
        raise error(name)
