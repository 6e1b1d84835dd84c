package kordon.peers;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.Locale;
import java.util.Set;

/** Bytes to message, as strict as Kordon's schemas: required fields, patterns, lengths and bounds; others are ignored. */
final class Decoder {
    static final String TELEMETRY = "node.telemetry.v1";
    static final String NETWORK = "node.network.v1";
    static final String COMMANDS = "node.commands.v1";
    static final String DECISIONS = "capsule.decisions.v1";

    private static final Set<String> KINDS = Set.of("boot", "heartbeat", "shutdown");
    private static final Set<String> ACTIONS = Set.of("release", "quarantine", "exempt", "unexempt");
    private static final String VIOLATION = "NETWORK_POLICY_VIOLATION";
    private static final Set<String> REASONS = Set.of(
            "MALFORMED_REQUEST", "AUTHENTICATION_FAILED", "REQUEST_EXPIRED", "REPLAYED_REQUEST", "NODE_REVOKED",
            "NODE_DISABLED", "FINGERPRINT_MISMATCH", "RISK_STATE_STALE", "NODE_QUARANTINED", VIOLATION);

    private Decoder() {}

    /** The message that a topic's record holds; {@code topic} is one of the four above. */
    static Message decode(String topic, byte[] value) throws BadRecord {
        if (value == null) {
            throw BadRecord.unreadable("$", "the record has no value");
        }
        try (JsonParser parser = Json.object(value)) {
            Message message =
                    switch (topic) {
                        case TELEMETRY -> telemetry(parser);
                        case NETWORK -> observation(parser);
                        case COMMANDS -> command(parser);
                        case DECISIONS -> decision(parser);
                        default -> throw new IllegalArgumentException(topic);
                    };
            Json.requireEnd(parser);
            return message;
        } catch (IOException error) {
            throw BadRecord.unreadable("$", "no JSON of this message");
        }
    }

    private static Message telemetry(JsonParser parser) throws IOException, BadRecord {
        String nodeId = null;
        long observedAt = Row.ABSENT;
        boolean clean = false;
        boolean answered = false;
        String bootId = null;
        for (String name; (name = parser.nextFieldName()) != null; ) {
            parser.nextToken();
            switch (name) {
                case "nodeId" -> nodeId = nodeId(parser);
                case "observedAt" -> observedAt = Fields.time(parser, name, false);
                case "lastShutdownClean" -> {
                    clean = Fields.flag(parser, name);
                    answered = true;
                }
                case "eventId" -> Fields.identifier(parser, name, true);
                case "bootId" -> bootId = Fields.identifier(parser, name, true);
                case "kind" -> oneOf(parser, name, KINDS, true);
                case "uptimeSeconds" -> Fields.number(parser, name, true);
                case "agentVersion" -> version(parser, name);
                case "fingerprint" -> fingerprint(parser, name);
                case "metrics" -> metrics(parser);
                default -> parser.skipChildren();
            }
        }
        require(nodeId != null, "nodeId");
        require(observedAt != Row.ABSENT, "observedAt");
        require(answered, "lastShutdownClean");
        return new Message.Telemetry(nodeId, observedAt, clean, bootId);
    }

    private static Message observation(JsonParser parser) throws IOException, BadRecord {
        String nodeId = null;
        long observedAt = Row.ABSENT;
        String ip = null;
        long asn = 0;
        String region = null;
        for (String name; (name = parser.nextFieldName()) != null; ) {
            parser.nextToken();
            switch (name) {
                case "nodeId" -> nodeId = nodeId(parser);
                case "observedAt" -> observedAt = Fields.time(parser, name, false);
                case "ip" -> ip = Fields.ip(parser);
                case "asn" -> asn = Fields.asn(parser);
                case "region" -> region = Fields.identifier(parser, name, true);
                case "eventId", "observer" -> Fields.identifier(parser, name, true);
                default -> parser.skipChildren();
            }
        }
        require(nodeId != null, "nodeId");
        require(observedAt != Row.ABSENT, "observedAt");
        if (ip == null && asn == 0 && region == null) {
            throw BadRecord.unreadable("ip", "at least one of ip, asn and region is required");
        }
        return new Message.Observation(nodeId, observedAt, new Network(ip, asn, region));
    }

    private static Message command(JsonParser parser) throws IOException, BadRecord {
        String nodeId = null;
        String commandId = null;
        String action = null;
        String actor = null;
        String reason = null;
        long issuedAt = Row.ABSENT;
        long expiresAt = Row.ABSENT;
        for (String name; (name = parser.nextFieldName()) != null; ) {
            parser.nextToken();
            switch (name) {
                case "nodeId" -> nodeId = nodeId(parser);
                case "commandId" -> commandId = Fields.identifier(parser, name, false);
                case "action" -> action = oneOf(parser, name, ACTIONS, false);
                case "actor" -> actor = Fields.identifier(parser, name, false);
                case "reason" -> reason = Fields.text(parser, name, false);
                case "issuedAt" -> issuedAt = Fields.time(parser, name, false);
                case "expiresAt" -> expiresAt = Fields.time(parser, name, true);
                default -> parser.skipChildren();
            }
        }
        require(nodeId != null, "nodeId");
        require(commandId != null, "commandId");
        require(action != null, "action");
        require(actor != null, "actor");
        require(reason != null, "reason");
        require(issuedAt != Row.ABSENT, "issuedAt");
        require(expiresAt != Row.ABSENT || !action.equals("exempt"), "expiresAt");
        return new Message.Command(
                nodeId,
                commandId,
                Message.Action.valueOf(action.toUpperCase(Locale.ROOT)),
                actor,
                reason,
                issuedAt,
                expiresAt);
    }

    private static Message decision(JsonParser parser) throws IOException, BadRecord {
        String nodeId = null;
        String requestId = null;
        String digest = null;
        long decidedAt = Row.ABSENT;
        Boolean denied = null;
        long riskRevision = Row.ABSENT;
        Network current = null;
        Network claims = null;
        String reason = null;
        String capsuleId = null;
        String expiresUtc = null;
        for (String name; (name = parser.nextFieldName()) != null; ) {
            parser.nextToken();
            switch (name) {
                case "nodeId" -> nodeId = nodeId(parser);
                case "requestId" -> requestId = Fields.label(parser, name, false, Fields.REQUEST_ID, 16, 64);
                case "requestDigest" -> digest = Fields.label(parser, name, false, Fields.LOWER_HEX, 64, 64);
                case "decidedAt" -> decidedAt = Fields.time(parser, name, false);
                case "denied" -> denied = Fields.flag(parser, name);
                case "riskRevision" -> riskRevision = Fields.whole(parser, name, 0, Long.MAX_VALUE, null);
                case "current" -> current = Fields.network(parser, name);
                case "claims" -> claims = Fields.network(parser, name);
                case "reason" -> reason = oneOf(parser, name, REASONS, true);
                case "riskScore" -> Fields.whole(parser, name, 0, Long.MAX_VALUE, 0L);
                case "capsuleId" -> capsuleId = Fields.label(parser, name, true, Fields.LOWER_HEX, 32, 32);
                case "expiresUtc" -> expiresUtc = utcSecond(parser, name);
                case "masterId" -> Fields.identifier(parser, name, true);
                case "fingerprint" -> fingerprint(parser, name);
                case "runtimeVersion" -> version(parser, name);
                default -> parser.skipChildren();
            }
        }
        require(nodeId != null, "nodeId");
        require(requestId != null, "requestId");
        require(digest != null, "requestDigest");
        require(decidedAt != Row.ABSENT, "decidedAt");
        require(denied != null, "denied");
        require(riskRevision != Row.ABSENT, "riskRevision");
        return new Message.Decision(
                nodeId, denied, VIOLATION.equals(reason), riskRevision, current, claims, capsuleId, expiresUtc);
    }

    private static String nodeId(JsonParser parser) throws IOException, BadRecord {
        return Fields.label(parser, "nodeId", false, Fields.NODE_ID, 1, 128);
    }

    private static void version(JsonParser parser, String field) throws IOException, BadRecord {
        Fields.label(parser, field, true, Fields.VERSION, 1, 64);
    }

    private static void fingerprint(JsonParser parser, String field) throws IOException, BadRecord {
        Fields.label(parser, field, true, Fields.HEX, 32, 128);
    }

    private static void metrics(JsonParser parser) throws IOException, BadRecord {
        if (parser.currentToken() == JsonToken.VALUE_NULL) {
            return;
        }
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw BadRecord.unreadable("metrics", "expected an object");
        }
        while (parser.nextFieldName() != null) {
            parser.nextToken();
            Fields.number(parser, "metrics", false);
        }
    }

    private static String utcSecond(JsonParser parser, String field) throws IOException, BadRecord {
        String text = Fields.text(parser, field, true);
        if (text != null && !text.matches("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")) {
            throw BadRecord.unreadable(field, "expected YYYY-MM-DDThh:mm:ssZ");
        }
        return text;
    }

    private static String oneOf(JsonParser parser, String field, Set<String> names, boolean nullable)
            throws IOException, BadRecord {
        String text = Fields.text(parser, field, nullable);
        if (text != null && !names.contains(text)) {
            throw BadRecord.unreadable(field, "an unknown name");
        }
        return text;
    }

    private static void require(boolean found, String field) throws BadRecord {
        if (!found) {
            throw BadRecord.unreadable(field, "required, but missing");
        }
    }
}
