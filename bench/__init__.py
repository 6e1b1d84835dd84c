"""Kordon's worker against the engines a user would pick instead, on the same records: ``python -m bench``.

Read in this order: ``workloads`` (what is measured), ``engines`` (who), ``backlog`` (how one run is measured),
``answers`` (who got another answer is not timed), ``musts`` (what has to hold). docs/performance.md explains the rest.
"""
