from datetime import timedelta

from schemas.topics import TOPICS, Cleanup, Party, dlq_of, repartition_of, source_of


def test_every_topic_of_the_design_is_registered_with_its_retention() -> None:
    days = {name: spec.retention and spec.retention / timedelta(days=1) for name, spec in TOPICS.items()}
    assert days == {
        "node.telemetry.v1": 7,
        "node.telemetry.v1.repartition": 1,
        "node.telemetry.v1.dlq": 30,
        "node.network.v1": 7,
        "node.network.v1.repartition": 1,
        "node.network.v1.dlq": 30,
        "node.commands.v1": 30,
        "node.commands.v1.dlq": 30,
        "node.registry.v1": None,
        "node.registry.v1.dlq": 30,
        "node.bindings.v1": None,
        "node.risk.v1": None,
        "node.quarantine.v1": None,
        "streams.progress.v1": 30,
        "issuer.progress.v1": 30,
        "capsule.requests.v1": 1,
        "capsule.requests.v1.repartition": 1,
        "capsule.requests.v1.dlq": 30,
        "capsule.replies.v1": 1,
        "capsule.decisions.v1": 90,
        "capsule.decisions.v1.dlq": 30,
    }


def test_only_the_bindings_and_the_risk_table_are_compacted() -> None:
    compacted = {name for name, spec in TOPICS.items() if spec.cleanup is Cleanup.COMPACT}
    assert compacted == {"node.bindings.v1", "node.risk.v1"}


def test_nodes_never_write_what_observers_see() -> None:
    assert TOPICS["node.network.v1"].writers == {Party.OBSERVERS}


def test_only_the_reader_of_a_source_forwards_its_misplaced_records() -> None:
    for name, spec in TOPICS.items():
        if name.endswith(".repartition"):
            assert spec.writers == TOPICS[source_of(name)].readers
            assert spec.value is TOPICS[source_of(name)].value


def test_dead_letters_are_raw_and_are_read_by_operators() -> None:
    for name, spec in TOPICS.items():
        if name.endswith(".dlq"):
            assert spec.value is None
            assert Party.OPERATORS in spec.readers
            assert not spec.dead_lettered


def test_the_names_of_derived_topics() -> None:
    assert repartition_of("node.network.v1") == "node.network.v1.repartition"
    assert source_of("node.network.v1.repartition") == source_of("node.network.v1") == "node.network.v1"
    assert dlq_of("node.network.v1") == "node.network.v1.dlq"
