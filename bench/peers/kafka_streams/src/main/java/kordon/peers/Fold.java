package kordon.peers;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import kordon.peers.Row.Quarantine;
import kordon.peers.Row.Signal;
import kordon.peers.Row.Transition;

/**
 * The rules of Kordon's {@code policy/}, again: admission, then a row and a record give the row that follows and perhaps
 * a transition. No clock, no I/O; it depends on its arguments alone. The row given is changed in place.
 */
final class Fold {
    static final long FUTURE_MILLIS = 300_000;

    private static final ThreadLocal<MessageDigest> SHA_256 = ThreadLocal.withInitial(Fold::sha256);

    private final Policy policy;

    Fold(Policy policy) {
        this.policy = policy;
    }

    /** What became of a record: late, folded, or folded with a transition. */
    static final class Outcome {
        static final Outcome LATE = new Outcome(null);
        static final Outcome FOLDED = new Outcome(null);

        final Transition transition;

        private Outcome(Transition transition) {
            this.transition = transition;
        }
    }

    /** Rejects what comes from the future, is expired, or cannot be ordered. The key is checked by the caller. */
    void admit(Message message, long timestamp) throws BadRecord {
        if (timestamp < 0 || timestamp > WireTime.LATEST) {
            throw new BadRecord("UnusableTimestamp", "the record's timestamp lies outside the years 1970 to 9999");
        }
        if (message instanceof Message.Telemetry report) {
            admitTime("observedAt", report.observedAt(), timestamp);
        } else if (message instanceof Message.Observation observation) {
            admitTime("observedAt", observation.observedAt(), timestamp);
        } else if (message instanceof Message.Command command) {
            admitTime("issuedAt", command.issuedAt(), timestamp);
            if (command.expiresAt() != Row.ABSENT && timestamp >= command.expiresAt()) {
                throw new BadRecord("ExpiredCommand", "expiresAt: the command arrived at or past its end");
            }
        }
    }

    private static void admitTime(String field, long claimed, long timestamp) throws BadRecord {
        if (claimed - timestamp > FUTURE_MILLIS) {
            throw new BadRecord(
                    "FromTheFuture",
                    field + ": more than 300 s after the record's timestamp; check the producer's clock");
        }
    }

    /** The row of a node that was never heard of, before its first record is folded. */
    Row firstRow(String nodeId) {
        Row row = new Row(nodeId);
        row.policyVersion = policy.version();
        return row;
    }

    /** Folds one admitted record into its node's row; a late one leaves the row as it was. */
    Outcome fold(Row row, Message message, Source source) {
        if (message instanceof Message.Observation observation) {
            return observe(row, observation, source);
        }
        if (message instanceof Message.Telemetry report) {
            return report(row, report, source);
        }
        if (message instanceof Message.Command command) {
            return obey(row, command, source);
        }
        return outcome(note(row, (Message.Decision) message, source));
    }

    private Outcome observe(Row row, Message.Observation observation, Source source) {
        // ABSENT is below every instant, so a first record is never late.
        if (observation.observedAt() < row.lastNetworkAt) {
            return Outcome.LATE;
        }
        row.lastNetworkAt = observation.observedAt();
        row.current = Network.orNowhere(row.current).overlaidBy(observation.seen());
        // A baseline field that is unknown takes the first value seen, on trust.
        row.baseline = row.current.overlaidBy(Network.orNowhere(row.baseline));
        return outcome(settle(row, source, null, true));
    }

    private Outcome report(Row row, Message.Telemetry report, Source source) {
        if (report.observedAt() < row.lastTelemetryAt) {
            return Outcome.LATE;
        }
        if (beginsBoot(row, report)) {
            judgeBoot(row, report, source);
        }
        row.lastTelemetryAt = report.observedAt();
        row.lastShutdownClean = report.lastShutdownClean();
        if (report.bootId() != null) {
            row.lastBootId = report.bootId();
        }
        return outcome(settle(row, source, null, true));
    }

    private static boolean beginsBoot(Row row, Message.Telemetry report) {
        if (report.bootId() != null) {
            return !report.bootId().equals(row.lastBootId);
        }
        return report.lastShutdownClean() == Boolean.FALSE.equals(row.lastShutdownClean);
    }

    private void judgeBoot(Row row, Message.Telemetry report, Source source) {
        if (report.lastShutdownClean()) {
            row.signals[Row.ABRUPT_STOP] = null;
            return;
        }
        Signal before = row.signals[Row.ABRUPT_STOP];
        boolean old = source.timestamp() - report.observedAt() >= policy.abruptStopWindowMillis();
        if (old || before != null && java.util.Objects.equals(before.to(), report.bootId())) {
            return;
        }
        row.signals[Row.ABRUPT_STOP] =
                raised(Row.ABRUPT_STOP, policy.abruptStop(), row.lastBootId, report.bootId(), null, source);
    }

    private Outcome obey(Row row, Message.Command command, Source source) {
        if (command.commandId().equals(row.lastCommandId) || command.issuedAt() < row.lastCommandAt) {
            return Outcome.LATE;
        }
        row.lastCommandId = command.commandId();
        row.lastCommandAt = command.issuedAt();
        switch (command.action()) {
            case RELEASE:
                return outcome(release(row, command, source));
            case QUARANTINE:
                return outcome(hold(row, command, source));
            default:
                row.exemptUntil = command.action() == Message.Action.EXEMPT ? command.expiresAt() : Row.ABSENT;
                return outcome(settle(row, source, null, true));
        }
    }

    private Transition release(Row row, Message.Command command, Source source) {
        boolean held = row.quarantined;
        row.signals[Row.ABRUPT_STOP] = null;
        row.baseline = row.current;
        row.baselineRevision = row.revision + 1;
        row.quarantined = false;
        row.quarantine = null;
        Transition judged = settle(row, source, null, true);
        return held ? transition(row, row.signals, true, source, command) : judged;
    }

    private Transition hold(Row row, Message.Command command, Source source) {
        if (row.quarantine != null) {
            Quarantine was = row.quarantine;
            row.quarantine = new Quarantine(was.transitionId(), was.since(), true, was.score());
            return settle(row, source, null, true);
        }
        settle(row, source, null, false);
        return quarantine(row, row.signals, true, source, command);
    }

    private Transition note(Row row, Message.Decision decision, Source source) {
        boolean counts =
                decision.riskRevision() >= Math.max(0, row.baselineRevision) && !row.quarantined;
        Signal[] claimed = null;
        if (counts && !decision.denied()) {
            row.baselineRevision = row.revision + 1;
            if (decision.current() != null) {
                row.baseline = Network.orNowhere(row.baseline).overlaidBy(decision.current());
            }
            if (decision.capsuleId() != null && decision.expiresUtc() != null) {
                row.lastCapsule = new Row.LastCapsule(decision.capsuleId(), decision.expiresUtc());
            }
        } else if (counts && decision.violation() && decision.claims() != null) {
            Network current = Network.orNowhere(row.current).overlaidBy(decision.claims());
            claimed = signals(Network.orNowhere(row.baseline), current, row.signals, source);
        }
        return settle(row, source, claimed, true);
    }

    /**
     * Ends a run-out exemption, scores and judges. {@code claimed} are the signals a denied request's claims would
     * raise: they can quarantine but are never kept.
     */
    private Transition settle(Row row, Source source, Signal[] claimed, boolean judge) {
        if (row.exemptUntil != Row.ABSENT && source.timestamp() >= row.exemptUntil) {
            row.exemptUntil = Row.ABSENT;
        }
        row.signals = signals(Network.orNowhere(row.baseline), Network.orNowhere(row.current), row.signals, source);
        row.score = score(row.signals);
        row.revision++;
        row.policyVersion = policy.version();
        row.updatedAt = source.timestamp();
        if (judge && !row.quarantined && row.exemptUntil == Row.ABSENT) {
            if (claimed != null && score(claimed) >= policy.threshold()) {
                return quarantine(row, claimed, false, source, null);
            }
            if (row.score >= policy.threshold()) {
                return quarantine(row, row.signals, false, source, null);
            }
        }
        return null;
    }

    private Signal[] signals(Network baseline, Network current, Signal[] before, Source source) {
        Signal[] signals = new Signal[Row.KINDS.length];
        if (baseline.ip() != null && current.ip() != null && !baseline.ip().equals(current.ip())) {
            signals[Row.IP] =
                    raised(Row.IP, policy.ipChanged(), baseline.ip(), current.ip(), before[Row.IP], source);
        }
        if (baseline.asn() != 0 && current.asn() != 0 && baseline.asn() != current.asn()) {
            signals[Row.ASN] =
                    raised(Row.ASN, policy.asnChanged(), baseline.asn(), current.asn(), before[Row.ASN], source);
        }
        if (baseline.region() != null && current.region() != null && !baseline.region().equals(current.region())) {
            signals[Row.REGION] = raised(
                    Row.REGION, policy.regionChanged(), baseline.region(), current.region(), before[Row.REGION], source);
        }
        Signal stop = before[Row.ABRUPT_STOP];
        if (stop != null) {
            signals[Row.ABRUPT_STOP] = stop.points() == policy.abruptStop()
                    ? stop
                    : new Signal(
                            stop.kind(), policy.abruptStop(), stop.raisedAt(), stop.topic(), stop.partition(),
                            stop.offset(), stop.from(), stop.to());
        }
        return signals;
    }

    /** A signal keeps raisedAt and evidence until its {@code to} changes. */
    private static Signal raised(int kind, int points, Object from, Object to, Signal before, Source source) {
        if (before != null && before.to() != null && before.to().equals(to)) {
            return new Signal(
                    kind, points, before.raisedAt(), before.topic(), before.partition(), before.offset(), from, to);
        }
        return new Signal(
                kind, points, source.timestamp(), source.topic(), source.partition(), source.offset(), from, to);
    }

    private static int score(Signal[] signals) {
        int score = 0;
        for (Signal signal : signals) {
            if (signal != null) {
                score += signal.points();
            }
        }
        return score;
    }

    private Transition quarantine(
            Row row, Signal[] signals, boolean byOperator, Source source, Message.Command command) {
        row.quarantined = true;
        Transition transition = transition(row, signals, byOperator, source, command);
        row.quarantine = new Quarantine(transition.transitionId(), source.timestamp(), byOperator, transition.score());
        row.capsulesValidFrom = row.revision;
        return transition;
    }

    private Transition transition(
            Row row, Signal[] signals, boolean byOperator, Source source, Message.Command command) {
        return new Transition(
                transitionId(row.nodeId, row.revision),
                row.nodeId,
                row.quarantined,
                source.timestamp(),
                score(signals),
                policy.threshold(),
                signals,
                byOperator,
                policy.version(),
                row.revision,
                command);
    }

    private static Outcome outcome(Transition transition) {
        return transition == null ? Outcome.FOLDED : new Outcome(transition);
    }

    private static String transitionId(String nodeId, long revision) {
        byte[] digest = SHA_256.get().digest((nodeId + ":" + revision).getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(digest, 0, 16);
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException impossible) {
            throw new AssertionError("every Java has SHA-256", impossible);
        }
    }
}
