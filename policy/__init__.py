"""What is decided: scoring, quarantine, issuance. Pure functions of their arguments.

No Kafka, no clock, no environment, no randomness: times and ids are arguments. Read in this order:

1. :mod:`policy.policy_file` - points, threshold and windows;
2. :mod:`policy.scoring` - which signals a row raises and what they add up to;
3. :mod:`policy.admission` - which records are rejected before any other rule;
4. :mod:`policy.risk` - a row and a record give a row and perhaps a transition;
5. :mod:`policy.order` - in which order the topics of a co-partition are folded;
6. :mod:`policy.fleet` - all of it over raw records: the plain fold;
7. :mod:`policy.issuance` - the checks a capsule request must pass.
"""
