package kordon.peers;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.List;
import kordon.peers.Row.Quarantine;
import kordon.peers.Row.Signal;

/** Reads a row from the store. It was written by {@link RowJson}, so its values are not checked again. */
final class RowReader {
    private static final List<String> KINDS = List.of(Row.KINDS);

    private RowReader() {}

    static Row read(JsonParser parser) throws IOException, BadRecord {
        parser.nextToken();
        Row row = null;
        for (String name; (name = parser.nextFieldName()) != null; ) {
            parser.nextToken();
            switch (name) {
                case "schemaVersion" -> parser.getIntValue();
                // Written second, before every field that needs the row.
                case "nodeId" -> row = new Row(parser.getText());
                case "status" -> row.quarantined = parser.getText().equals("quarantined");
                case "score" -> row.score = parser.getIntValue();
                case "signals" -> signals(parser, row.signals);
                case "revision" -> row.revision = parser.getLongValue();
                case "policyVersion" -> row.policyVersion = parser.getIntValue();
                case "updatedAt" -> row.updatedAt = time(parser);
                case "baseline" -> row.baseline = network(parser);
                case "current" -> row.current = network(parser);
                case "baselineRevision" -> row.baselineRevision = parser.getLongValue();
                case "lastNetworkAt" -> row.lastNetworkAt = time(parser);
                case "lastTelemetryAt" -> row.lastTelemetryAt = time(parser);
                case "lastBootId" -> row.lastBootId = parser.getText();
                case "lastShutdownClean" -> row.lastShutdownClean = parser.getBooleanValue();
                case "lastCommandId" -> row.lastCommandId = parser.getText();
                case "lastCommandAt" -> row.lastCommandAt = time(parser);
                case "quarantine" -> row.quarantine = quarantine(parser);
                case "exemptUntil" -> row.exemptUntil = time(parser);
                case "capsulesValidFrom" -> row.capsulesValidFrom = parser.getLongValue();
                case "lastCapsule" -> row.lastCapsule = capsule(parser);
                default -> throw new IllegalStateException("a row with an unknown field " + name);
            }
        }
        return row;
    }

    private static long time(JsonParser parser) throws IOException, BadRecord {
        return WireTime.parse("row", parser.getText());
    }

    private static Network network(JsonParser parser) throws IOException {
        String ip = null;
        long asn = 0;
        String region = null;
        for (String name; (name = parser.nextFieldName()) != null; ) {
            parser.nextToken();
            switch (name) {
                case "ip" -> ip = parser.getText();
                case "asn" -> asn = parser.getLongValue();
                default -> region = parser.getText();
            }
        }
        return new Network(ip, asn, region);
    }

    private static void signals(JsonParser parser, Signal[] signals) throws IOException, BadRecord {
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            Signal signal = signal(parser);
            signals[signal.kind()] = signal;
        }
    }

    private static Signal signal(JsonParser parser) throws IOException, BadRecord {
        int kind = 0;
        int points = 0;
        long raisedAt = 0;
        String topic = null;
        int partition = 0;
        long offset = 0;
        Object from = null;
        Object to = null;
        for (String name; (name = parser.nextFieldName()) != null; ) {
            parser.nextToken();
            switch (name) {
                case "kind" -> kind = KINDS.indexOf(parser.getText());
                case "points" -> points = parser.getIntValue();
                case "raisedAt" -> raisedAt = time(parser);
                case "evidence" -> {
                    for (String part; (part = parser.nextFieldName()) != null; ) {
                        parser.nextToken();
                        switch (part) {
                            case "topic" -> topic = parser.getText();
                            case "partition" -> partition = parser.getIntValue();
                            default -> offset = parser.getLongValue();
                        }
                    }
                }
                case "from" -> from = textOrNumber(parser);
                default -> to = textOrNumber(parser);
            }
        }
        return new Signal(kind, points, raisedAt, topic, partition, offset, from, to);
    }

    private static Object textOrNumber(JsonParser parser) throws IOException {
        if (parser.currentToken() == JsonToken.VALUE_STRING) {
            return parser.getText();
        }
        return parser.getLongValue();
    }

    private static Quarantine quarantine(JsonParser parser) throws IOException, BadRecord {
        String transitionId = null;
        long since = 0;
        boolean byOperator = false;
        int score = 0;
        for (String name; (name = parser.nextFieldName()) != null; ) {
            parser.nextToken();
            switch (name) {
                case "transitionId" -> transitionId = parser.getText();
                case "since" -> since = time(parser);
                case "cause" -> byOperator = parser.getText().equals("operator");
                default -> score = parser.getIntValue();
            }
        }
        return new Quarantine(transitionId, since, byOperator, score);
    }

    private static Row.LastCapsule capsule(JsonParser parser) throws IOException {
        String capsuleId = null;
        String expiresUtc = null;
        for (String name; (name = parser.nextFieldName()) != null; ) {
            parser.nextToken();
            if (name.equals("capsuleId")) {
                capsuleId = parser.getText();
            } else {
                expiresUtc = parser.getText();
            }
        }
        return new Row.LastCapsule(capsuleId, expiresUtc);
    }
}
