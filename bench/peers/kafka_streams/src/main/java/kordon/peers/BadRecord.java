package kordon.peers;

/** A record that is not accepted: the rule it broke, named as in Kordon's dead letters, and a text without its input. */
final class BadRecord extends Exception {
    private static final long serialVersionUID = 1L;

    final String rule;

    BadRecord(String rule, String reason) {
        // Bad records are part of the load: a stack trace would cost more than the record.
        super(reason, null, false, false);
        this.rule = rule;
    }

    static BadRecord unreadable(String field, String reason) {
        return new BadRecord("DecodeError", field + ": " + reason);
    }
}
