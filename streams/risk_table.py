"""The risk rows of one co-partition, and which of them the next commit has to write."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from policy.fleet import Fleet, UnreadableRowError
from policy.policy_file import Policy
from policy.standing import Standing
from schemas.codec import encode
from schemas.risk import RISK_SCHEMA_VERSION
from streams.runtime.errors import NewerStateError, UnreadableStateError


class _Versions(msgspec.Struct):
    """What any version of a row has."""

    schemaVersion: int = 0  # noqa: N815 - the wire's name
    policyVersion: int = 0  # noqa: N815 - the wire's name


_VERSIONS = msgspec.json.Decoder(_Versions)


class RiskTable:
    """Rows by node id, and those of them that changed since the last commit."""

    def __init__(self, policy: Policy) -> None:
        self.fleet = Fleet(policy)
        self.changed: dict[str, Standing] = {}
        """The rows themselves: to look each up again would cost a large fleet half as much as to encode it."""

    def restore(self, key: bytes | None, value: bytes | None) -> None:
        """Take a row from the changelog; ``None`` as value removes it. :meth:`check_restored` tells whether it is one.

        Raises:
            UnreadableStateError: the record has no key.
        """
        if key is None:
            raise UnreadableStateError("a record on the risk topic has no key; nobody but the worker may write there")
        self.fleet.restore(key, value)

    def gather_restored(self) -> None:
        """Bring together what was restored (:meth:`~policy.fleet.Fleet.gather_restored`)."""
        self.fleet.gather_restored()

    def check_restored(self) -> None:
        """Check the rows that were restored, once all are.

        Raises:
            NewerStateError: a row is of a newer schema or policy.
            UnreadableStateError: a row is none.
        """
        try:
            self.fleet.check_restored()
        except UnreadableRowError as error:
            _refuse_newer(error.value, self.fleet.policy)
            raise UnreadableStateError(
                f"a row on the risk topic cannot be read, so what it says of its node would be lost: {error}"
            ) from error

    def change(self, node_id: str) -> None:
        """Count a node's row, as it is now, as changed."""
        self.changed[node_id] = self.fleet.standings[node_id]

    def take_changes(self) -> Sequence[tuple[bytes, bytes | None]]:
        """Return the rows changed since the last call as (key, value), and forget that they changed."""
        changed, self.changed = self.changed, {}
        return [(node_id.encode(), encode(row)) for node_id, row in changed.items()]


def _refuse_newer(value: bytes, policy: Policy) -> None:
    try:
        versions = _VERSIONS.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if versions.schemaVersion > RISK_SCHEMA_VERSION:
        raise NewerStateError(
            f"a risk row was written by a newer Kordon (schema {versions.schemaVersion}, this one knows "
            f"{RISK_SCHEMA_VERSION}); what it says beyond would be lost. Run that version"
        )
    if versions.policyVersion > policy.version:
        raise NewerStateError(
            f"a risk row was judged under policy version {versions.policyVersion}, this worker has version "
            f"{policy.version}: its node would be judged by rules that were replaced. Give it the newer policy file"
        )
