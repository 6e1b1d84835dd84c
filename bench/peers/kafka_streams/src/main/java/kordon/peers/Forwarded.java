package kordon.peers;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

/**
 * A record that its producer put into the wrong partition: where it was first written, as the last four headers of the
 * record on the {@code .repartition} topic say ({@code transport/repartition.py}).
 */
record Forwarded(int partition, long offset, long timestamp, Headers headers) {
    private static final String[] NAMES = {
        "kordon-original-topic", "kordon-original-partition", "kordon-original-offset", "kordon-original-timestamp"
    };

    /** The headers of a misplaced record on its way: its own, then where it was. */
    static Headers headersOf(Headers own, String topic, int partition, long offset, long timestamp) {
        Headers headers = new RecordHeaders(own);
        headers.add(NAMES[0], topic.getBytes(UTF_8));
        headers.add(NAMES[1], Integer.toString(partition).getBytes(US_ASCII));
        headers.add(NAMES[2], Long.toString(offset).getBytes(US_ASCII));
        headers.add(NAMES[3], Long.toString(timestamp).getBytes(US_ASCII));
        return headers;
    }

    /** Reads where a record on the repartition topic of {@code source} was first written. */
    static Forwarded read(Headers headers, String source) throws BadRecord {
        Header[] all = headers.toArray();
        int first = all.length - NAMES.length;
        for (int index = 0; index < NAMES.length; index++) {
            if (first < 0 || !all[first + index].key().equals(NAMES[index]) || all[first + index].value() == null) {
                throw illegible();
            }
        }
        if (!new String(all[first].value(), UTF_8).equals(source)) {
            throw illegible();
        }
        Headers own = new RecordHeaders();
        for (int index = 0; index < first; index++) {
            own.add(all[index]);
        }
        long partition = number(all[first + 1]);
        if (partition > Integer.MAX_VALUE) {
            throw illegible();
        }
        return new Forwarded((int) partition, number(all[first + 2]), number(all[first + 3]), own);
    }

    /** The timestamp a forwarded record is ordered by; its own where none is legible. */
    static long timestampOf(Headers headers, long otherwise) {
        Header header = headers.lastHeader(NAMES[3]);
        try {
            return header == null || header.value() == null ? otherwise : number(header);
        } catch (BadRecord error) {
            return otherwise;
        }
    }

    private static long number(Header header) throws BadRecord {
        String text = new String(header.value(), US_ASCII);
        try {
            long number = Long.parseLong(text);
            if (number >= 0 && Long.toString(number).equals(text)) {
                return number;
            }
        } catch (NumberFormatException error) {
            // Said below.
        }
        throw illegible();
    }

    private static BadRecord illegible() {
        return new BadRecord(
                "ForwardedRecordError", "the last headers are not " + String.join(", ", NAMES) + " in their form");
    }
}
