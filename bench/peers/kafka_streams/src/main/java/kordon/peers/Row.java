package kordon.peers;

/** A node's risk, one a node. Mutable: a store hands out a fresh one for each record, and nobody else keeps it. */
final class Row {
    /** An instant or a revision that is not there. */
    static final long ABSENT = Long.MIN_VALUE;

    static final int SCHEMA_VERSION = 1;

    /** The kinds of signals by their index in {@link #signals}. */
    static final String[] KINDS = {"ipChanged", "asnChanged", "regionChanged", "abruptStop"};

    static final int IP = 0;
    static final int ASN = 1;
    static final int REGION = 2;
    static final int ABRUPT_STOP = 3;

    final String nodeId;
    boolean quarantined;
    int score;
    Signal[] signals = new Signal[KINDS.length];
    long revision;
    int policyVersion;
    long updatedAt;
    Network baseline;
    Network current;
    long baselineRevision = ABSENT;
    long lastNetworkAt = ABSENT;
    long lastTelemetryAt = ABSENT;
    String lastBootId;
    Boolean lastShutdownClean;
    String lastCommandId;
    long lastCommandAt = ABSENT;
    Quarantine quarantine;
    long exemptUntil = ABSENT;
    long capsulesValidFrom = ABSENT;
    LastCapsule lastCapsule;

    Row(String nodeId) {
        this.nodeId = nodeId;
    }

    /**
     * A raised signal. {@code from} and {@code to} are texts, or {@code Long} of an AS number; {@code topic},
     * {@code partition} and {@code offset} are its evidence.
     */
    record Signal(
            int kind, int points, long raisedAt, String topic, int partition, long offset, Object from, Object to) {}

    /** Why a node is held; {@code score} is the score at the transition. */
    record Quarantine(String transitionId, long since, boolean byOperator, int score) {}

    record LastCapsule(String capsuleId, String expiresUtc) {}

    /** A node crossing the line; {@code order} is the operator's, or {@code null}. */
    record Transition(
            String transitionId,
            String nodeId,
            boolean quarantined,
            long at,
            int score,
            int threshold,
            Signal[] signals,
            boolean byOperator,
            int policyVersion,
            long revision,
            Message.Command order) {}
}
