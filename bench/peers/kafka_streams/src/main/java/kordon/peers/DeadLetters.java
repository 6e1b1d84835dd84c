package kordon.peers;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

/** The headers of a dead letter: the record's own, then the reason under KIP-1034's names and a digest of the whole. */
final class DeadLetters {
    private DeadLetters() {}

    static Headers headersOf(
            Headers own,
            String topic,
            int partition,
            long offset,
            long timestamp,
            byte[] key,
            byte[] value,
            BadRecord bad) {
        Headers headers = new RecordHeaders(own);
        headers.add("__streams.errors.topic", topic.getBytes(UTF_8));
        headers.add("__streams.errors.partition", Integer.toString(partition).getBytes(US_ASCII));
        headers.add("__streams.errors.offset", Long.toString(offset).getBytes(US_ASCII));
        headers.add("__streams.errors.exception", bad.rule.getBytes(UTF_8));
        headers.add("__streams.errors.message", bad.getMessage().getBytes(UTF_8));
        headers.add("kordon-dead-letter-timestamp", Long.toString(timestamp).getBytes(US_ASCII));
        headers.add("kordon-dead-letter-sha256", digest(own, key, value).getBytes(US_ASCII));
        return headers;
    }

    private static String digest(Headers own, byte[] key, byte[] value) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            add(digest, key);
            add(digest, value);
            for (Header header : own) {
                add(digest, header.key().getBytes(UTF_8));
                add(digest, header.value());
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException impossible) {
            throw new AssertionError("every Java has SHA-256", impossible);
        }
    }

    private static void add(MessageDigest digest, byte[] part) {
        digest.update(ByteBuffer.allocate(8).putLong(part == null ? -1 : part.length).array());
        if (part != null) {
            digest.update(part);
        }
    }
}
