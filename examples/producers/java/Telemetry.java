import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Reports a boot and a heartbeat of each node named: java -cp 'jars/*' Telemetry.java NODE... */
public class Telemetry {
    public static void main(String[] nodes) throws Exception {
        String topic = setting("KORDON_KAFKA_PREFIX", "kordon.") + "node.telemetry.v1";
        // The default partitioner hashes keys with murmur2, and the default producer is idempotent: both are right.
        Map<String, Object> settings = Map.of(
                ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, setting("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"),
                ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class,
                ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, StringSerializer.class,
                ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
        try (var producer = new KafkaProducer<String, String>(settings)) {
            for (String node : nodes) {
                String boot = UUID.randomUUID().toString();
                for (String kind : new String[] {"boot", "heartbeat"}) {
                    // The key is the node id, always: a record whose key is another is rejected.
                    var record = new ProducerRecord<>(topic, node, report(node, boot, kind));
                    var sent = producer.send(record).get();
                    System.out.printf("%s %s partition=%d offset=%d%n", node, kind, sent.partition(), sent.offset());
                }
            }
        }
    }

    /** A node id holds no character that JSON would need escaped; for other text use a JSON library. */
    private static String report(String node, String boot, String kind) {
        return """
                {"nodeId": "%s", "observedAt": "%s", "lastShutdownClean": true, "bootId": "%s", "kind": "%s"}"""
                .formatted(node, Instant.now(), boot, kind);
    }

    private static String setting(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }
}
