package kordon.peers;

import java.util.Map;

/**
 * What the harness says through the environment.
 *
 * @param prefix put before every topic and the application id
 * @param guarantee {@code exactly_once_v2} or {@code at_least_once}
 * @param isRocksDb rows in RocksDB, else in memory
 */
record Settings(
        String bootstrap,
        String prefix,
        int partitions,
        String guarantee,
        boolean isRocksDb,
        int threads,
        String stateDirectory,
        long commitMillis) {

    static Settings of(Map<String, String> environment) {
        return new Settings(
                required(environment, "BENCH_BOOTSTRAP"),
                environment.getOrDefault("BENCH_PREFIX", ""),
                Integer.parseInt(required(environment, "BENCH_PARTITIONS")),
                oneOf(environment, "BENCH_GUARANTEE", "exactly_once_v2", "at_least_once"),
                oneOf(environment, "BENCH_STORE", "memory", "rocksdb").equals("rocksdb"),
                Integer.parseInt(environment.getOrDefault("BENCH_THREADS", "2")),
                required(environment, "BENCH_STATE_DIR"),
                Long.parseLong(environment.getOrDefault("BENCH_COMMIT_MS", "100")));
    }

    String topic(String name) {
        return prefix + name;
    }

    String applicationId() {
        return prefix + "kafka-streams";
    }

    private static String required(Map<String, String> environment, String name) {
        String value = environment.get(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalArgumentException("set " + name + "; bench/peers/README.md says what each is");
        }
        return value;
    }

    private static String oneOf(Map<String, String> environment, String name, String first, String second) {
        String value = environment.getOrDefault(name, first);
        if (!value.equals(first) && !value.equals(second)) {
            throw new IllegalArgumentException(name + " is " + value + "; it must be " + first + " or " + second);
        }
        return value;
    }
}
