package kordon.peers;

import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/** Rows in the store and its changelog are Kordon's own RiskRow JSON, so that the changelog is the public view. */
final class RowSerde implements Serde<Row> {
    @Override
    public Serializer<Row> serializer() {
        return (topic, row) -> row == null ? null : RowJson.write(row);
    }

    @Override
    public Deserializer<Row> deserializer() {
        return (topic, value) -> value == null ? null : RowJson.read(value);
    }
}
