"""What is said: every message once, the topic registry, and the one codec.

Wire rules (design.md sections 3 and 4), which every type here obeys:

- JSON in UTF-8, camelCase; the Python field names are the wire's names.
- Unknown fields are ignored on input; outputs only ever gain optional fields, a break is a new ``.v2`` topic.
- An optional field that is ``null`` is absent, and absent fields are not written.
- Times are RFC 3339 with a zone and are compared in milliseconds (:mod:`schemas.timestamp`).
- Strings that identify are 1 to 128 characters.

This package imports nothing of ours.
"""
