"""A cluster with keys, a stand-in for the worker, and issuers as processes, for the integration tests."""
