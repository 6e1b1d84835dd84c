"""Leaving a foreign broker as it was found: the demo's topics and consumer groups are deleted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupIdNotFound, NoError, NonEmptyGroup, for_code
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.protocol.group import LeaveGroupRequest

from kordon.failures import CommandFailed, ExitStatus
from transport.administration import EmptyPrefixError, delete_topics
from transport.client import admin_arguments

if TYPE_CHECKING:
    from transport.settings import KafkaSettings

_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 1.0


async def remove_everything(settings: KafkaSettings) -> tuple[list[str], list[str]]:
    """Delete every topic and consumer group whose name starts with the prefix; return their names.

    The processes that were members must have ended. What still keeps a group is waited for (up to 20 s).

    Raises:
        EmptyPrefixError: the prefix is empty, so this would delete what is not ours.
        KafkaError: the broker refuses.
        CommandFailed: a group still has members.
        AdministrationError: the broker refuses to delete a topic.
    """
    if not settings.prefix:
        raise EmptyPrefixError("without a prefix nothing tells the demo's groups from others")
    topics = await delete_topics(settings)
    admin = AIOKafkaAdminClient(**admin_arguments(settings))
    try:
        await admin.start()
        known = [group[0] for group in await admin.list_consumer_groups()]
        groups = sorted(name for name in known if name.startswith(settings.prefix))
        for group in groups:
            await _delete_group(admin, group)
    finally:
        await admin.close()
    return topics, groups


async def _delete_group(admin: AIOKafkaAdminClient, group: str) -> None:
    # aiokafka knows these requests, but its admin client has no methods for them.
    error = NonEmptyGroup
    for _attempt in range(_ATTEMPTS):
        coordinator = await admin.find_coordinator(group)
        await _dismiss_members(admin, coordinator, group)
        response = await admin._send_request_to_node(coordinator, DeleteGroupsRequest([group]))  # noqa: SLF001
        error = for_code(response.results[0][1])
        if error is not NonEmptyGroup:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
    if error is NonEmptyGroup:
        raise CommandFailed(
            ExitStatus.UNAVAILABLE,
            f"the consumer group {group} still has members, so it is not deleted",
            f"Delete it once they have expired: kafka-consumer-groups.sh --delete --group {group}",
        )
    if error not in (NoError, GroupIdNotFound):
        raise error(group)


async def _dismiss_members(admin: AIOKafkaAdminClient, coordinator: int, group: str) -> None:
    """Take out the members whose processes have ended: those with an instance id do not leave by themselves."""
    for response in await admin.describe_consumer_groups([group], coordinator):
        for description in response.groups:
            for member in description[5]:
                await admin._send_request_to_node(coordinator, LeaveGroupRequest(group, member[0]))  # noqa: SLF001
