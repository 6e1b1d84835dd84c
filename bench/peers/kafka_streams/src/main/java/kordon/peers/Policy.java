package kordon.peers;

/**
 * What a signal is worth and where the line is drawn: Kordon's default policy ({@code policy/default.toml}).
 *
 * @param threshold a score at or above it quarantines
 * @param abruptStopWindowMillis an unclean boot counts while record timestamp - observedAt is below it (exclusive)
 */
record Policy(
        int version,
        int threshold,
        long abruptStopWindowMillis,
        int ipChanged,
        int asnChanged,
        int regionChanged,
        int abruptStop) {
    static final Policy DEFAULT = new Policy(1, 80, 300_000, 20, 40, 50, 80);
}
