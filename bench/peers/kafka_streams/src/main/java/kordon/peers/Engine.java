package kordon.peers;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.AutoOffsetReset;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** The Kafka Streams application. Prints READY once every task runs, and ends with status 0 at SIGTERM. */
public final class Engine {
    private static final Duration CLOSE = Duration.ofSeconds(30);

    private Engine() {}

    public static void main(String[] arguments) throws InterruptedException {
        Settings settings = Settings.of(System.getenv());
        KafkaStreams streams = new KafkaStreams(topology(settings), properties(settings));
        AtomicBoolean isReady = new AtomicBoolean();
        CountDownLatch failed = new CountDownLatch(1);
        streams.setStateListener((to, from) -> {
            if (to == KafkaStreams.State.RUNNING && isReady.compareAndSet(false, true)) {
                System.out.println("READY");
            } else if (to == KafkaStreams.State.ERROR) {
                failed.countDown();
            }
        });
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            boolean closed = streams.close(new KafkaStreams.CloseOptions().timeout(CLOSE).leaveGroup(true));
            // A JVM that a signal ended has the status 143 unless it says otherwise itself.
            Runtime.getRuntime().halt(closed && failed.getCount() > 0 ? 0 : 1);
        }));
        streams.start();
        failed.await();
        System.exit(1);
    }

    private static Topology topology(Settings settings) {
        Topics topics = new Topics(settings);
        // Caching holds back what a row was between two commits, so that a row is written once for each of them.
        StoreBuilder<KeyValueStore<byte[], Row>> rows = Stores.keyValueStoreBuilder(
                        settings.isRocksDb()
                                ? Stores.persistentKeyValueStore(Topics.ROWS)
                                : Stores.inMemoryKeyValueStore(Topics.ROWS),
                        Serdes.ByteArray(),
                        new RowSerde())
                .withCachingEnabled()
                .withLoggingEnabled(Map.of());
        TimestampExtractor original = (record, partitionTime) ->
                topics.input(record.topic()).isRepartition()
                        ? Forwarded.timestampOf(record.headers(), record.timestamp())
                        : record.timestamp();
        return new Topology()
                .addSource(
                        AutoOffsetReset.earliest(),
                        "records",
                        original,
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer(),
                        topics.inputs())
                .addProcessor("assessment", () -> new Assessment(topics, settings.partitions()), "records")
                .addStateStore(rows, "assessment")
                .addSink(
                        "outputs",
                        (byte[] key, Outgoing outgoing, org.apache.kafka.streams.processor.RecordContext context) ->
                                outgoing.topic(),
                        new ByteArraySerializer(),
                        new Outgoing.ValueSerializer(),
                        (String topic, byte[] key, Outgoing outgoing, int partitions) ->
                                Optional.of(Set.of(outgoing.partition())),
                        "assessment");
    }

    private static Properties properties(Settings settings) {
        Properties all = new Properties();
        all.put(StreamsConfig.APPLICATION_ID_CONFIG, settings.applicationId());
        all.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, settings.bootstrap());
        all.put(StreamsConfig.STATE_DIR_CONFIG, Path.of(settings.stateDirectory()).toAbsolutePath().toString());
        all.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, settings.guarantee());
        all.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, settings.commitMillis());
        all.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, settings.threads());
        // Room for every row that changes between two commits: a row that is pushed out early is written twice.
        all.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256L << 20);
        all.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        all.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, SharedRocksDb.class);
        // The source topics are Kordon's own and fewer than what a person may have; one broker has one copy.
        all.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, -1);
        // As Kordon's worker: a restarted member has its tasks back at once.
        all.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG), "one");
        all.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        all.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 << 20);
        all.put(StreamsConfig.consumerPrefix(ConsumerConfig.RECEIVE_BUFFER_CONFIG), 1 << 20);
        all.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        all.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        all.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
        all.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 128L << 20);
        return all;
    }
}
