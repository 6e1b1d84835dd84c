package kordon.peers;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;

/** What {@code streams/assessment.py} does with each record: place it, judge it, send out what follows. */
final class Assessment implements Processor<byte[], byte[], byte[], Outgoing> {
    private final Topics topics;
    private final int partitions;
    private final Fold fold = new Fold(Policy.DEFAULT);
    private ProcessorContext<byte[], Outgoing> context;
    private KeyValueStore<byte[], Row> rows;

    Assessment(Topics topics, int partitions) {
        this.topics = topics;
        this.partitions = partitions;
    }

    @Override
    public void init(ProcessorContext<byte[], Outgoing> context) {
        this.context = context;
        rows = context.getStateStore(Topics.ROWS);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        RecordMetadata place = context.recordMetadata().orElseThrow();
        Topics.Input input = topics.input(place.topic());
        if (input.isRepartition()) {
            processForwarded(record, input, place);
        } else {
            judge(record, input, place.topic(), place.partition(), place.offset(), record.headers());
        }
    }

    private void processForwarded(Record<byte[], byte[]> record, Topics.Input input, RecordMetadata place) {
        Forwarded origin;
        try {
            origin = Forwarded.read(record.headers(), input.source());
            if (origin.partition() == place.partition()) {
                throw new BadRecord("ForwardedRecordError", "it was not misplaced where it says that it was");
            }
        } catch (BadRecord bad) {
            reject(record, input, place.topic(), place.partition(), place.offset(), record.headers(), bad);
            return;
        }
        judge(record, input, input.source(), origin.partition(), origin.offset(), origin.headers());
    }

    /** The hot path: the record's timestamp is the one the extractor gave it, of a forwarded record the original. */
    private void judge(
            Record<byte[], byte[]> record,
            Topics.Input input,
            String topic,
            int partition,
            long offset,
            Headers headers) {
        byte[] key = record.key();
        if (key != null && isMisplaced(key)) {
            misplaced(record, input, topic, partition, offset, headers);
            return;
        }
        Fold.Outcome outcome;
        try {
            Message message = Decoder.decode(input.carries(), record.value());
            if (!Arrays.equals(message.nodeId().getBytes(UTF_8), key)) {
                throw new BadRecord("KeyMismatch", "the record's key must equal its nodeId");
            }
            fold.admit(message, record.timestamp());
            Row row = rows.get(key);
            if (row == null) {
                row = fold.firstRow(message.nodeId());
            }
            outcome = fold.fold(row, message, new Source(input.carries(), partition, offset, record.timestamp()));
            if (outcome != Fold.Outcome.LATE) {
                rows.put(key, row);
            }
        } catch (BadRecord bad) {
            reject(record, input, topic, partition, offset, headers, bad);
            return;
        }
        if (outcome.transition != null) {
            send(record, topics.quarantine, own(), RowJson.write(outcome.transition), new RecordHeaders());
        }
    }

    private int own() {
        return context.taskId().partition();
    }

    /** An illegible key belongs nowhere; it is for the decoder to reject. */
    private boolean isMisplaced(byte[] key) {
        return right(key) != own() && isNodeId(key);
    }

    private int right(byte[] key) {
        return Utils.toPositive(Utils.murmur2(key)) % partitions;
    }

    private static boolean isNodeId(byte[] key) {
        if (key.length == 0 || key.length > 128) {
            return false;
        }
        for (byte letter : key) {
            if (letter < 0 || !Fields.NODE_ID[letter]) {
                return false;
            }
        }
        return true;
    }

    private void misplaced(
            Record<byte[], byte[]> record,
            Topics.Input input,
            String topic,
            int partition,
            long offset,
            Headers headers) {
        int right = right(record.key());
        if (input.repartition() == null) {
            BadRecord bad = new BadRecord(
                    "MisplacedRecord",
                    "the key belongs into partition " + right + "; produce with the murmur2 partitioner");
            reject(record, input, topic, partition, offset, headers, bad);
            return;
        }
        send(
                record,
                input.repartition(),
                right,
                record.value(),
                Forwarded.headersOf(headers, topic, partition, offset, record.timestamp()));
    }

    private void reject(
            Record<byte[], byte[]> record,
            Topics.Input input,
            String topic,
            int partition,
            long offset,
            Headers headers,
            BadRecord bad) {
        Headers all = DeadLetters.headersOf(
                headers, topic, partition, offset, record.timestamp(), record.key(), record.value(), bad);
        send(record, input.deadLetters(), own(), record.value(), all);
    }

    private void send(Record<byte[], byte[]> cause, String topic, int partition, byte[] value, Headers headers) {
        context.forward(
                new Record<>(cause.key(), new Outgoing(topic, partition, value), cause.timestamp(), headers));
    }
}
