"""``python -m tests.chaos``: real processes on a real Kafka, faults by a seeded schedule, and a verdict from the log.

A run goes ``schedule → Fault.strike → recovery → … → quiet → verdict``. The verdict folds the log again with nothing of
``streams``: it is the witness, not the accused. See docs/reliability.md.
"""
