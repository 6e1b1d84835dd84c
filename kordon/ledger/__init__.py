"""The ledger: what happened to the fleet, as one SQLite file that a person can ask (docs/ledger.md).

It follows registry, bindings, risk, quarantine, decisions, commands and every dead-letter topic at read_committed. A
batch and the positions behind it are one SQLite transaction, so a kill at any moment loses and doubles nothing.
"""
