package kordon.peers;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * Folds lines of stdin, as {@code kordon simulate --output} writes and {@code kordon policy fold} reads them, and prints
 * what that prints; with {@code --whole}, the rows and transitions in their wire form instead of their summaries.
 */
public final class FoldLines {
    private static final String REPARTITION = ".repartition";

    private final Fold fold = new Fold(Policy.DEFAULT);
    // As bytes, so that a row goes through the store's form between two records, as it does in the engine.
    private final Map<String, byte[]> rows = new LinkedHashMap<>();
    private final List<Row.Transition> transitions = new ArrayList<>();
    private int rejected;
    private int late;

    public static void main(String[] arguments) throws IOException {
        FoldLines lines = new FoldLines();
        try (InputStream input = new BufferedInputStream(System.in, 1 << 16)) {
            for (byte[] line; (line = nextLine(input)) != null; ) {
                lines.fold(line);
            }
        }
        byte[] printed = lines.print(Arrays.asList(arguments).contains("--whole"));
        System.out.write(printed);
        System.out.println();
    }

    private static byte[] nextLine(InputStream input) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream(512);
        int next;
        while ((next = input.read()) >= 0 && next != '\n') {
            line.write(next);
        }
        return next < 0 && line.size() == 0 ? null : line.toByteArray();
    }

    private void fold(byte[] line) throws IOException {
        if (line.length == 0) {
            return;
        }
        String topic = null;
        int partition = 0;
        long offset = 0;
        long timestamp = -1;
        String key = null;
        byte[] value = null;
        try (JsonParser parser = Json.object(line)) {
            for (String name; (name = parser.nextFieldName()) != null; ) {
                boolean isNull = parser.nextToken() == JsonToken.VALUE_NULL;
                switch (name) {
                    case "topic" -> topic = parser.getText();
                    case "partition" -> partition = parser.getIntValue();
                    case "offset" -> offset = parser.getLongValue();
                    case "ts" -> timestamp = isNull ? -1 : parser.getLongValue();
                    case "key" -> key = isNull ? null : parser.getText();
                    case "payload" -> value = isNull ? null : parser.getText().getBytes(UTF_8);
                    default -> parser.skipChildren();
                }
            }
        }
        Source source = new Source(Objects.requireNonNull(topic, "a line without topic"), partition, offset, timestamp);
        try {
            judge(source, key, value);
        } catch (BadRecord bad) {
            rejected++;
        }
    }

    private void judge(Source source, String key, byte[] value) throws BadRecord {
        String topic = source.topic().endsWith(REPARTITION)
                ? source.topic().substring(0, source.topic().length() - REPARTITION.length())
                : source.topic();
        Message message = Decoder.decode(topic, value);
        if (!message.nodeId().equals(key)) {
            throw new BadRecord("KeyMismatch", "the record's key must equal its nodeId");
        }
        fold.admit(message, source.timestamp());
        byte[] before = rows.get(key);
        Row row = before == null ? fold.firstRow(key) : RowJson.read(before);
        Fold.Outcome outcome = fold.fold(row, message, source);
        if (outcome == Fold.Outcome.LATE) {
            late++;
            return;
        }
        rows.put(key, RowJson.write(row));
        if (outcome.transition != null) {
            transitions.add(outcome.transition);
        }
    }

    private byte[] print(boolean whole) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = Json.FACTORY.createGenerator(bytes)) {
            json.writeStartObject();
            json.writeObjectFieldStart("rows");
            for (Map.Entry<String, byte[]> each : rows.entrySet()) {
                json.writeFieldName(each.getKey());
                if (whole) {
                    json.writeRawValue(new String(each.getValue(), UTF_8));
                } else {
                    summarise(json, RowJson.read(each.getValue()));
                }
            }
            json.writeEndObject();
            json.writeArrayFieldStart("transitions");
            for (Row.Transition each : transitions) {
                if (whole) {
                    json.writeRawValue(new String(RowJson.write(each), UTF_8));
                } else {
                    summarise(json, each);
                }
            }
            json.writeEndArray();
            json.writeNumberField("rejected", rejected);
            json.writeNumberField("late", late);
            json.writeEndObject();
        }
        return bytes.toByteArray();
    }

    private static void summarise(JsonGenerator json, Row row) throws IOException {
        json.writeStartArray();
        json.writeString(row.quarantined ? "quarantined" : "active");
        json.writeNumber(row.score);
        String[] kinds = IntStream.range(0, Row.KINDS.length)
                .filter(kind -> row.signals[kind] != null)
                .mapToObj(kind -> Row.KINDS[kind])
                .sorted()
                .toArray(String[]::new);
        json.writeArray(kinds, 0, kinds.length);
        if (row.quarantine == null) {
            json.writeNull();
        } else {
            json.writeString(row.quarantine.byOperator() ? "operator" : "policy");
        }
        json.writeNumber(row.revision);
        json.writeEndArray();
    }

    private static void summarise(JsonGenerator json, Row.Transition transition) throws IOException {
        json.writeStartArray();
        json.writeString(transition.nodeId());
        json.writeString(transition.quarantined() ? "active" : "quarantined");
        json.writeString(transition.quarantined() ? "quarantined" : "active");
        json.writeNumber(transition.score());
        json.writeString(transition.byOperator() ? "operator" : "policy");
        json.writeEndArray();
    }
}
