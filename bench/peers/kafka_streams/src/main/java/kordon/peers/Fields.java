package kordon.peers;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;

/** Reads one field's value with the constraints of {@code schemas/identifiers.py}. The parser stands on the value. */
final class Fields {
    static final boolean[] NODE_ID = letters("._-", true);
    static final boolean[] VERSION = letters("._+-", true);
    static final boolean[] REQUEST_ID = letters("_-", true);
    static final boolean[] HEX = hex("0123456789abcdefABCDEF");
    static final boolean[] LOWER_HEX = hex("0123456789abcdef");

    private Fields() {}

    /** Any text, as {@code null} where the value is null and {@code null} is allowed. */
    static String text(JsonParser parser, String field, boolean nullable) throws IOException, BadRecord {
        if (parser.currentToken() == JsonToken.VALUE_STRING) {
            String text = parser.getText();
            requirePaired(field, text);
            return text;
        }
        if (nullable && parser.currentToken() == JsonToken.VALUE_NULL) {
            return null;
        }
        throw BadRecord.unreadable(field, "expected a string");
    }

    /** A text of 1 to 128 characters. */
    static String identifier(JsonParser parser, String field, boolean nullable) throws IOException, BadRecord {
        String text = text(parser, field, nullable);
        if (text != null) {
            int length = text.length();
            if (length == 0 || length > 128 && text.codePointCount(0, length) > 128) {
                throw BadRecord.unreadable(field, "expected 1 to 128 characters");
            }
        }
        return text;
    }

    /** A text of {@code shortest} to {@code longest} of the given ASCII letters. */
    static String label(
            JsonParser parser, String field, boolean nullable, boolean[] letters, int shortest, int longest)
            throws IOException, BadRecord {
        String text = text(parser, field, nullable);
        if (text != null && !consistsOf(text, letters, shortest, longest)) {
            throw BadRecord.unreadable(field, "not of the required form");
        }
        return text;
    }

    static boolean consistsOf(String text, boolean[] letters, int shortest, int longest) {
        int length = text.length();
        if (length < shortest || length > longest) {
            return false;
        }
        for (int index = 0; index < length; index++) {
            char letter = text.charAt(index);
            if (letter >= 128 || !letters[letter]) {
                return false;
            }
        }
        return true;
    }

    static long time(JsonParser parser, String field, boolean nullable) throws IOException, BadRecord {
        String text = text(parser, field, nullable);
        return text == null ? Row.ABSENT : WireTime.parse(field, text);
    }

    static boolean flag(JsonParser parser, String field) throws BadRecord {
        if (parser.currentToken() == JsonToken.VALUE_TRUE) {
            return true;
        }
        if (parser.currentToken() == JsonToken.VALUE_FALSE) {
            return false;
        }
        throw BadRecord.unreadable(field, "expected a bool");
    }

    /** A whole number within bounds; {@code ifNull} where the value is null, which must then be allowed. */
    static long whole(JsonParser parser, String field, long least, long most, Long ifNull)
            throws IOException, BadRecord {
        if (parser.currentToken() == JsonToken.VALUE_NUMBER_INT) {
            long number = parser.getLongValue();
            if (number >= least && number <= most) {
                return number;
            }
        } else if (ifNull != null && parser.currentToken() == JsonToken.VALUE_NULL) {
            return ifNull;
        }
        throw BadRecord.unreadable(field, "expected a whole number within its bounds");
    }

    /** Any finite number; its value is not used. */
    static void number(JsonParser parser, String field, boolean nullable) throws IOException, BadRecord {
        JsonToken token = parser.currentToken();
        boolean isNumber = token == JsonToken.VALUE_NUMBER_FLOAT || token == JsonToken.VALUE_NUMBER_INT;
        if (isNumber ? !Double.isFinite(parser.getDoubleValue()) : !nullable || token != JsonToken.VALUE_NULL) {
            throw BadRecord.unreadable(field, "expected a number");
        }
    }

    /** Where a node is seen or says it is; {@code null} where the value is null. */
    static Network network(JsonParser parser, String field) throws IOException, BadRecord {
        if (parser.currentToken() == JsonToken.VALUE_NULL) {
            return null;
        }
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw BadRecord.unreadable(field, "expected an object");
        }
        String ip = null;
        long asn = 0;
        String region = null;
        for (String name; (name = parser.nextFieldName()) != null; ) {
            parser.nextToken();
            switch (name) {
                case "ip" -> ip = ip(parser);
                case "asn" -> asn = asn(parser);
                case "region" -> region = identifier(parser, "region", true);
                default -> parser.skipChildren();
            }
        }
        return new Network(ip, asn, region);
    }

    static String ip(JsonParser parser) throws IOException, BadRecord {
        String text = text(parser, "ip", true);
        return text == null ? null : Addresses.canonical("ip", text);
    }

    static long asn(JsonParser parser) throws IOException, BadRecord {
        return whole(parser, "asn", 1, 4_294_967_295L, 0L);
    }

    private static void requirePaired(String field, String text) throws BadRecord {
        for (int index = 0; index < text.length(); index++) {
            char letter = text.charAt(index);
            if (letter < Character.MIN_SURROGATE || letter > Character.MAX_SURROGATE) {
                continue;
            }
            if (index + 1 == text.length() || !Character.isSurrogatePair(letter, text.charAt(++index))) {
                throw BadRecord.unreadable(field, "an unpaired surrogate");
            }
        }
    }

    private static boolean[] letters(String others, boolean alphanumeric) {
        boolean[] allowed = new boolean[128];
        for (char letter = 0; letter < 128; letter++) {
            allowed[letter] = alphanumeric && Character.isLetterOrDigit(letter) || others.indexOf(letter) >= 0;
        }
        return allowed;
    }

    private static boolean[] hex(String digits) {
        return letters(digits, false);
    }
}
