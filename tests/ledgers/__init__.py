"""Ledgers in tests: a small fleet's day as records, and a ledger of it."""
