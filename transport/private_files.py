"""Files that only their owner may read: keys, passphrases, trust."""

import os
import stat
from pathlib import Path
from typing import Final

MODE: Final = 0o600


class PrivateFileError(Exception):
    """A file that is missing, readable by others, or in the way. The text names it and says what to do."""


def read_private_file(path: Path) -> bytes:
    """Return the bytes of a regular file of mode 0600 (or stricter) that belongs to this user or root.

    Raises:
        PrivateFileError: there is no such file, or others may read or write it.
    """
    try:
        # The file that is checked must be the file that is read.
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            _check(path, status)
            return file.read()
    except FileNotFoundError:
        raise PrivateFileError(f"{path} does not exist; `kordon keys init` makes the files of a cluster") from None
    except OSError as error:
        raise PrivateFileError(f"{path} cannot be read: {error.strerror}") from None


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise PrivateFileError(f"{path} is no regular file")
    if stat.S_IMODE(status.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise PrivateFileError(f"{path} has mode {mode}, so others may use it; run: chmod 600 {path}")
    if status.st_uid not in {os.geteuid(), 0}:
        raise PrivateFileError(f"{path} belongs to another user; run: chown {os.geteuid()} {path}")


def write_private_file(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a file of mode 0600, whole or not at all; its folder is made (mode 0700) where it is missing.

    Raises:
        PrivateFileError: the file exists and ``replace`` is not given, or it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), MODE)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                temporary.replace(path)
            else:
                os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        raise PrivateFileError(f"{path} exists and is not overwritten; move it away first") from None
    except OSError as error:
        raise PrivateFileError(f"{path} cannot be written: {error.strerror}") from None
