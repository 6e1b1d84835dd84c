"""What stops a worker, by name.

A :class:`RefusedError` needs a person: restarting would refuse again (exit status 78). All else is a crash that a
restart resumes from.
"""

from __future__ import annotations


class DeliveryError(Exception):
    """The promise of exactly-once was about to be broken, so the worker stops. A restart resumes at the checkpoint."""


class BrokenChainError(DeliveryError):
    """A batch did not begin where the last one ended: a batch was lost on its way, or came twice."""


class BrokenFoldError(DeliveryError):
    """A batch could not be folded whole, so its co-partition must never commit again."""


class SplitCopartitionError(DeliveryError):
    """This member was assigned a part of a co-partition; two owners would fence each other for ever."""


class TakeOverFailedError(DeliveryError):
    """A take-over ended without an error and without its co-partition."""


class OvertakenError(DeliveryError):
    """Another owner fenced this one during its take-over, so what it read is of two owners and says nothing."""


class MissingTopicsError(DeliveryError):
    """Topics are missing. They may be created any time, so a restart is worth while."""


class ConsumerFailedError(DeliveryError):
    """The group or the fetching of records failed in a way that does not mend itself."""


class RefusedError(Exception):
    """The worker must not run before a person has decided; the message says what would be lost."""


class PartitionCountError(RefusedError):
    """Topics differ in partitions, or the checkpoint was written with another partition count."""


class CheckpointMissingError(RefusedError):
    """Rows or outputs exist, but no progress record says which records they hold."""


class CheckpointOutOfRangeError(RefusedError):
    """The checkpoint's offsets are no longer, or not yet, in a source topic."""


class NewerStateError(RefusedError):
    """Rows or progress were written by a newer Kordon or under a newer policy."""


class UnreadableStateError(RefusedError):
    """A row or a progress record cannot be read, so what it held is not known."""
