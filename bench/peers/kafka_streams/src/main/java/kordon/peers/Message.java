package kordon.peers;

/** What the fold reads. Absent instants and revisions are {@link Row#ABSENT}, absent texts {@code null}. */
sealed interface Message {
    String nodeId();

    /** A node's report; a boot is recognised by {@code bootId}. */
    record Telemetry(String nodeId, long observedAt, boolean lastShutdownClean, String bootId) implements Message {}

    /** What an observer saw of a node; at least one part of {@code seen} is known. */
    record Observation(String nodeId, long observedAt, Network seen) implements Message {}

    /** What an operator orders. */
    record Command(
            String nodeId, String commandId, Action action, String actor, String reason, long issuedAt, long expiresAt)
            implements Message {}

    enum Action {
        RELEASE,
        QUARANTINE,
        EXEMPT,
        UNEXEMPT
    }

    /** What the issuer decided; {@code violation} says that it was denied as NETWORK_POLICY_VIOLATION. */
    record Decision(
            String nodeId,
            boolean denied,
            boolean violation,
            long riskRevision,
            Network current,
            Network claims,
            String capsuleId,
            String expiresUtc)
            implements Message {}
}
