"""Placing keys as the Java client does.

Origin of the vectors: Apache Kafka 4.1, clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java,
testMurmur2 (signed 32-bit results of Utils.murmur2). The partition is toPositive(hash) % partitions, as in
BuiltInPartitioner.partitionForKey.
"""

from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from transport.partitioner import partition_of

UTILS_TEST = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "murmur2"), UTILS_TEST.items())
@pytest.mark.parametrize("partitions", [1, 3, 12, 2**31 - 1])
def test_a_key_belongs_where_the_java_client_puts_it(key: bytes, murmur2: int, partitions: int) -> None:
    assert partition_of(key, partitions) == (murmur2 & 0x7FFFFFFF) % partitions


@given(st.binary(max_size=300), st.integers(1, 50))
def test_it_agrees_with_the_partitioner_of_aiokafkas_own_producer(key: bytes, partitions: int) -> None:
    everywhere = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, everywhere, everywhere)


@pytest.mark.parametrize("partitions", [0, -1])
def test_a_topic_without_partitions_has_no_place(partitions: int) -> None:
    with pytest.raises(ValueError, match="at least one partition"):
        partition_of(b"node-1", partitions)
