"""What others build against: a JSON Schema for each message and one AsyncAPI document, written from ``schemas/``.

The files are committed in ``schemas/generated/`` and are part of the installed package; ``make documents`` writes them
and ``make check`` finds them stale. ``docs/producers.md`` is their guide, ``docs/compatibility.md`` their promise.
"""
