"""Real brokers for the integration tests: noida-db (fast, forgiving) and Apache Kafka (what the guarantees rest on)."""
