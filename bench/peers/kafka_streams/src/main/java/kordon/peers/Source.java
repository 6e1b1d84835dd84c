package kordon.peers;

/** Which record is folded: topic without prefix, partition, offset, and the record's timestamp in ms. */
record Source(String topic, int partition, long offset, long timestamp) {}
