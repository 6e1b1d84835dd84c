package kordon.peers;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Kordon's topics under the prefix: which are read, and where what is read from each may go. */
final class Topics {
    static final String ROWS = "node.risk.v1";

    final String quarantine;
    private final Map<String, Input> inputs = new HashMap<>();

    /**
     * A topic that is read.
     *
     * @param topic its full name
     * @param carries the source topic, without prefix, whose messages it carries
     * @param source the full name of that
     * @param deadLetters where its bad records go
     * @param repartition where its misplaced records go; {@code null} where they are rejected
     * @param isRepartition its records were forwarded, and say in headers where they were first written
     */
    record Input(
            String topic,
            String carries,
            String source,
            String deadLetters,
            String repartition,
            boolean isRepartition) {}

    Topics(Settings settings) {
        quarantine = settings.topic("node.quarantine.v1");
        for (String name : List.of(Decoder.COMMANDS, Decoder.DECISIONS, Decoder.NETWORK, Decoder.TELEMETRY)) {
            String source = settings.topic(name);
            String repartition = name.equals(Decoder.NETWORK) || name.equals(Decoder.TELEMETRY)
                    ? source + ".repartition"
                    : null;
            String deadLetters = source + ".dlq";
            add(new Input(source, name, source, deadLetters, repartition, false));
            if (repartition != null) {
                add(new Input(repartition, name, source, deadLetters, null, true));
            }
        }
    }

    private void add(Input input) {
        inputs.put(input.topic(), input);
    }

    Input input(String topic) {
        return inputs.get(topic);
    }

    String[] inputs() {
        return new ArrayList<>(inputs.keySet()).toArray(new String[0]);
    }
}
