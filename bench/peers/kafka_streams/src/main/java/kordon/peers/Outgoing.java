package kordon.peers;

import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.Serializer;

/** A record for a topic and partition of its own choice, through the one sink of the topology. */
record Outgoing(String topic, int partition, byte[] value) {

    static final class ValueSerializer implements Serializer<Outgoing> {
        @Override
        public byte[] serialize(String topic, Outgoing outgoing) {
            return outgoing.value;
        }

        @Override
        public byte[] serialize(String topic, Headers headers, Outgoing outgoing) {
            return outgoing.value;
        }
    }
}
