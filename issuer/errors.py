"""What stops the issuer, by name.

A :class:`RefusedError` needs a person: restarting would refuse again (exit status 78). All else is a crash that a
restart resumes from.
"""


class RefusedError(Exception):
    """The issuer must not run before a person has decided; the message says what would be lost."""


class PartitionCountError(RefusedError):
    """Topics differ in partitions, or the checkpoint was written with another partition count."""


class CheckpointMissingError(RefusedError):
    """Decisions or bindings exist, but no progress record says which requests they answer."""


class CheckpointOutOfRangeError(RefusedError):
    """The checkpoint's offsets are no longer, or not yet, in a source topic."""


class NewerStateError(RefusedError):
    """State was written by a newer Kordon."""


class UnreadableStateError(RefusedError):
    """A decision, binding or progress record cannot be read, so what it held is not known."""


class ReplyTopicError(RefusedError):
    """A topic that replies may go to is one that Kordon reads for another purpose."""


class MissingTopicsError(Exception):
    """Topics are missing. They may be created any time, so a restart is worth while."""


class SplitCopartitionError(Exception):
    """This member was assigned a part of a co-partition; two owners would fence each other for ever."""


class OvertakenError(Exception):
    """Another owner fenced this one during its take-over, so what it read is of two owners. A restart reads it anew."""


class BrokenChainError(Exception):
    """Requests came twice or out of order, so one could be answered twice. A restart resumes at the checkpoint."""


class OwnershipLostError(Exception):
    """The work on the co-partitions ended without being asked to."""
