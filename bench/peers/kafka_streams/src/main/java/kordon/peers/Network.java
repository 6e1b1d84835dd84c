package kordon.peers;

/** A place in the network; unknown parts are {@code null}, an unknown {@code asn} is 0. */
record Network(String ip, long asn, String region) {
    static final Network NOWHERE = new Network(null, 0, null);

    /** Lays {@code top} over this, field by field: a field that it lacks stays. */
    Network overlaidBy(Network top) {
        return new Network(
                top.ip == null ? ip : top.ip, top.asn == 0 ? asn : top.asn, top.region == null ? region : top.region);
    }

    static Network orNowhere(Network network) {
        return network == null ? NOWHERE : network;
    }
}
