"""Which exceptions of the libraries below are no fault of Kordon, and what a person can do about each."""

from __future__ import annotations

import sqlite3

from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from kordon.failures import CommandFailed, ExitStatus
from kordon.ledger.errors import REBUILD, LedgerError, QueryError
from transport.administration import AdministrationError
from transport.key_files import KeyFileError
from transport.private_files import PrivateFileError
from transport.settings_file import InvalidSettingsError
from transport.trust import TrustFileError
from transport.views import NotCaughtUpError, ViewFailedError


def failure_of(error: BaseException | None) -> CommandFailed | None:
    """Return how to tell a person of this error, or None if it is a fault that deserves its traceback."""
    match error:
        case InvalidSettingsError():
            return CommandFailed(
                ExitStatus.CONFIGURATION,
                str(error),
                "`kordon config` prints the settings in force and their sources.",
            )
        case PrivateFileError() | KeyFileError() | TrustFileError():
            return CommandFailed(
                ExitStatus.CONFIGURATION, str(error), "`kordon config --section kordon` shows which files are used."
            )
        case AdministrationError():
            return CommandFailed(ExitStatus.UNAVAILABLE, str(error), "See the broker's log, and the ACLs of this user.")
        case NotCaughtUpError() | ViewFailedError():
            cause = error.__cause__
            return (failure_of(cause) if isinstance(cause, KafkaError) else None) or CommandFailed(
                ExitStatus.TIMED_OUT, str(error), "Try again; a transaction that was left open holds readers back."
            )
        case (
            AuthenticationFailedError()
            | AuthenticationMethodNotSupported()
            | SaslAuthenticationFailed()
            | TopicAuthorizationFailedError()
            | GroupAuthorizationFailedError()
            | ClusterAuthorizationFailedError()
        ):
            return CommandFailed(
                ExitStatus.UNAVAILABLE,
                f"Kafka refuses: {_text(error)}",
                "Check KORDON_KAFKA_SASL_… and the ACLs of this user.",
            )
        case UnknownTopicOrPartitionError():
            return CommandFailed(
                ExitStatus.UNAVAILABLE,
                f"Kafka does not have a topic that is needed: {_text(error)}",
                "Create Kordon's topics with `kordon topics apply`, and check KORDON_KAFKA_PREFIX.",
            )
        case KafkaConnectionError() | KafkaTimeoutError() | ConnectionError():
            return CommandFailed(
                ExitStatus.UNAVAILABLE,
                f"Kafka cannot be reached: {_text(error)}",
                "Is a broker running there? Name it with KORDON_KAFKA_BOOTSTRAP_SERVERS=host:port.",
            )
        case KafkaError():
            return CommandFailed(
                ExitStatus.UNAVAILABLE,
                f"Kafka answered with an error: {_text(error)}",
                "See the broker's log.",
            )
        case FileNotFoundError() | PermissionError() | IsADirectoryError():
            return CommandFailed(
                ExitStatus.CONFIGURATION,
                f"{error.filename}: {error.strerror}",
                "Correct the path or its permissions.",
            )
    return _failure_of_ledger(error)


def _failure_of_ledger(error: BaseException | None) -> CommandFailed | None:
    match error:
        case QueryError():
            return CommandFailed(ExitStatus.USAGE, str(error), error.remedy)
        case LedgerError():
            return CommandFailed(ExitStatus.REFUSED, str(error), error.remedy)
        case sqlite3.Error():
            return CommandFailed(
                ExitStatus.REFUSED, f"the ledger cannot be used: {_text(error)}", f"Is the disk full? {REBUILD}"
            )
    return None


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
