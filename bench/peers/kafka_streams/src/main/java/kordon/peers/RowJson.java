package kordon.peers;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.io.SerializedString;
import com.fasterxml.jackson.core.util.ByteArrayBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import kordon.peers.Row.Signal;
import kordon.peers.Row.Transition;

/** Kordon's RiskRow and QuarantineTransition in their wire form: the same JSON, absent fields left out. */
final class RowJson {
    private static final SerializedString ACTIVE = new SerializedString("active");
    private static final SerializedString QUARANTINED = new SerializedString("quarantined");
    private static final SerializedString POLICY = new SerializedString("policy");
    private static final SerializedString OPERATOR = new SerializedString("operator");
    private static final SerializedString[] KINDS = new SerializedString[Row.KINDS.length];

    private static final SerializedString SCHEMA_VERSION = new SerializedString("schemaVersion");
    private static final SerializedString NODE_ID = new SerializedString("nodeId");
    private static final SerializedString STATUS = new SerializedString("status");
    private static final SerializedString SCORE = new SerializedString("score");
    private static final SerializedString SIGNALS = new SerializedString("signals");
    private static final SerializedString REVISION = new SerializedString("revision");
    private static final SerializedString POLICY_VERSION = new SerializedString("policyVersion");
    private static final SerializedString UPDATED_AT = new SerializedString("updatedAt");
    private static final SerializedString BASELINE = new SerializedString("baseline");
    private static final SerializedString CURRENT = new SerializedString("current");
    private static final SerializedString LAST_NETWORK_AT = new SerializedString("lastNetworkAt");
    private static final SerializedString LAST_TELEMETRY_AT = new SerializedString("lastTelemetryAt");
    private static final SerializedString LAST_BOOT_ID = new SerializedString("lastBootId");
    private static final SerializedString LAST_SHUTDOWN_CLEAN = new SerializedString("lastShutdownClean");
    private static final SerializedString IP = new SerializedString("ip");
    private static final SerializedString ASN = new SerializedString("asn");
    private static final SerializedString REGION = new SerializedString("region");

    /** The most a transition carries of an operator's reason, in characters. */
    private static final int REASON_CHARACTERS = 1_024;

    static {
        for (int kind = 0; kind < KINDS.length; kind++) {
            KINDS[kind] = new SerializedString(Row.KINDS[kind]);
        }
    }

    private RowJson() {}

    static byte[] write(Row row) {
        try (ByteArrayBuilder bytes = new ByteArrayBuilder(768)) {
            try (JsonGenerator json = Json.FACTORY.createGenerator(bytes)) {
                write(row, json);
            }
            return bytes.toByteArray();
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }

    static byte[] write(Transition transition) {
        try (ByteArrayBuilder bytes = new ByteArrayBuilder(768)) {
            try (JsonGenerator json = Json.FACTORY.createGenerator(bytes)) {
                write(transition, json);
            }
            return bytes.toByteArray();
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }

    private static void write(Row row, JsonGenerator json) throws IOException {
        json.writeStartObject();
        number(json, SCHEMA_VERSION, Row.SCHEMA_VERSION);
        text(json, NODE_ID, row.nodeId);
        json.writeFieldName(STATUS);
        json.writeString(row.quarantined ? QUARANTINED : ACTIVE);
        number(json, SCORE, row.score);
        signals(json, row.signals);
        number(json, REVISION, row.revision);
        number(json, POLICY_VERSION, row.policyVersion);
        time(json, UPDATED_AT, row.updatedAt);
        network(json, BASELINE, row.baseline);
        network(json, CURRENT, row.current);
        revision(json, "baselineRevision", row.baselineRevision);
        time(json, LAST_NETWORK_AT, row.lastNetworkAt);
        time(json, LAST_TELEMETRY_AT, row.lastTelemetryAt);
        text(json, LAST_BOOT_ID, row.lastBootId);
        if (row.lastShutdownClean != null) {
            json.writeFieldName(LAST_SHUTDOWN_CLEAN);
            json.writeBoolean(row.lastShutdownClean);
        }
        if (row.lastCommandId != null) {
            json.writeStringField("lastCommandId", row.lastCommandId);
        }
        if (row.lastCommandAt != Row.ABSENT) {
            json.writeStringField("lastCommandAt", WireTime.format(row.lastCommandAt));
        }
        if (row.quarantine != null) {
            json.writeObjectFieldStart("quarantine");
            json.writeStringField("transitionId", row.quarantine.transitionId());
            json.writeStringField("since", WireTime.format(row.quarantine.since()));
            json.writeFieldName("cause");
            json.writeString(row.quarantine.byOperator() ? OPERATOR : POLICY);
            number(json, SCORE, row.quarantine.score());
            json.writeEndObject();
        }
        if (row.exemptUntil != Row.ABSENT) {
            json.writeStringField("exemptUntil", WireTime.format(row.exemptUntil));
        }
        revision(json, "capsulesValidFrom", row.capsulesValidFrom);
        if (row.lastCapsule != null) {
            json.writeObjectFieldStart("lastCapsule");
            json.writeStringField("capsuleId", row.lastCapsule.capsuleId());
            json.writeStringField("expiresUtc", row.lastCapsule.expiresUtc());
            json.writeEndObject();
        }
        json.writeEndObject();
    }

    private static void write(Transition transition, JsonGenerator json) throws IOException {
        json.writeStartObject();
        json.writeStringField("transitionId", transition.transitionId());
        text(json, NODE_ID, transition.nodeId());
        json.writeFieldName("from");
        json.writeString(transition.quarantined() ? ACTIVE : QUARANTINED);
        json.writeFieldName("to");
        json.writeString(transition.quarantined() ? QUARANTINED : ACTIVE);
        json.writeStringField("at", WireTime.format(transition.at()));
        number(json, SCORE, transition.score());
        json.writeNumberField("threshold", transition.threshold());
        signals(json, transition.signals());
        json.writeFieldName("cause");
        json.writeString(transition.byOperator() ? OPERATOR : POLICY);
        number(json, POLICY_VERSION, transition.policyVersion());
        number(json, REVISION, transition.revision());
        if (transition.order() != null) {
            String reason = transition.order().reason();
            json.writeStringField("actor", transition.order().actor());
            int length = reason.codePointCount(0, reason.length());
            int end = length <= REASON_CHARACTERS ? reason.length() : reason.offsetByCodePoints(0, REASON_CHARACTERS);
            json.writeStringField("reason", reason.substring(0, end));
        }
        json.writeEndObject();
    }

    private static void signals(JsonGenerator json, Signal[] signals) throws IOException {
        json.writeFieldName(SIGNALS);
        json.writeStartArray();
        for (Signal signal : signals) {
            if (signal == null) {
                continue;
            }
            json.writeStartObject();
            json.writeFieldName("kind");
            json.writeString(KINDS[signal.kind()]);
            json.writeNumberField("points", signal.points());
            json.writeStringField("raisedAt", WireTime.format(signal.raisedAt()));
            json.writeObjectFieldStart("evidence");
            json.writeStringField("topic", signal.topic());
            json.writeNumberField("partition", signal.partition());
            json.writeNumberField("offset", signal.offset());
            json.writeEndObject();
            textOrNumber(json, "from", signal.from());
            textOrNumber(json, "to", signal.to());
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    private static void textOrNumber(JsonGenerator json, String name, Object value) throws IOException {
        if (value instanceof Long number) {
            json.writeNumberField(name, number);
        } else if (value != null) {
            json.writeStringField(name, (String) value);
        }
    }

    private static void network(JsonGenerator json, SerializedString name, Network network) throws IOException {
        if (network == null) {
            return;
        }
        json.writeFieldName(name);
        json.writeStartObject();
        text(json, IP, network.ip());
        if (network.asn() != 0) {
            number(json, ASN, network.asn());
        }
        text(json, REGION, network.region());
        json.writeEndObject();
    }

    private static void number(JsonGenerator json, SerializedString name, long number) throws IOException {
        json.writeFieldName(name);
        json.writeNumber(number);
    }

    private static void revision(JsonGenerator json, String name, long revision) throws IOException {
        if (revision != Row.ABSENT) {
            json.writeNumberField(name, revision);
        }
    }

    private static void text(JsonGenerator json, SerializedString name, String text) throws IOException {
        if (text != null) {
            json.writeFieldName(name);
            json.writeString(text);
        }
    }

    private static void time(JsonGenerator json, SerializedString name, long millis) throws IOException {
        if (millis != Row.ABSENT) {
            json.writeFieldName(name);
            json.writeString(WireTime.format(millis));
        }
    }

    /** Reads what {@link #write(Row)} wrote; anything else is a fault, not input. */
    static Row read(byte[] value) {
        try (JsonParser parser = Json.FACTORY.createParser(value)) {
            return RowReader.read(parser);
        } catch (IOException | BadRecord error) {
            throw new IllegalStateException("a row that cannot be read: " + new String(value, UTF_8), error);
        }
    }
}
