package kordon.peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.util.JsonRecyclerPools;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** Jackson's streaming parser and generator, set up once: the fastest that Jackson has, without reflection. */
final class Json {
    static final JsonFactory FACTORY = JsonFactory.builder()
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .recyclerPool(JsonRecyclerPools.threadLocalPool())
            .build();

    private Json() {}

    /** A parser that stands on the opening brace of the one object that the bytes must be. */
    static JsonParser object(byte[] value) throws IOException {
        requireUtf8(value);
        JsonParser parser = FACTORY.createParser(value);
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            throw new JsonParseException(parser, "expected an object");
        }
        return parser;
    }

    /** Fails if something follows the object. */
    static void requireEnd(JsonParser parser) throws IOException {
        if (parser.nextToken() != null) {
            throw new JsonParseException(parser, "trailing characters");
        }
    }

    /** Jackson would also take UTF-16, a byte order mark, and code points spelt wrongly in UTF-8. */
    private static void requireUtf8(byte[] value) throws IOException {
        int all = 0;
        for (byte each : value) {
            all |= each;
        }
        if (all < 0) {
            try {
                StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(value));
            } catch (CharacterCodingException error) {
                throw new JsonParseException(null, "not UTF-8", error);
            }
        }
        if (value.length == 0
                || value[0] == (byte) 0xef
                || value[0] == 0
                || value.length > 1 && value[1] == 0) {
            throw new JsonParseException(null, "no JSON");
        }
    }
}
