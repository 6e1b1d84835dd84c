"""What the worker's integration tests share: processes to kill, records to fold, and a plain fold to compare with.

Nothing here uses ``streams.runtime``: it is the witness, not the accused.
"""
