"""Who answers: capsule requests in, signed and sealed capsules or signed denials out (design.md sections 6 and 7).

Read in this order: ``requests`` (what was asked), ``credentials`` (who asks), ``policy.issuance`` (the eight checks),
``runtime_key`` and ``envelopes`` (the answer), ``judgement`` (one record from bytes to answer), ``copartition`` (a
batch to one transaction), ``takeover`` and ``service`` (who owns what, and until when).
"""
