"""Of each key the last value is taken, once, whatever was superseded or removed before, gathered or not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from policy.unchecked_rows import UncheckedRows

keys = st.sampled_from([b"n1", b"n2", b"n3", b""])


@given(story=st.lists(st.tuples(keys, st.none() | st.binary(max_size=20))), gathers=st.integers(0, 2))
def test_the_last_value_of_each_key_is_taken_once(story: list[tuple[bytes, bytes | None]], gathers: int) -> None:
    rows, expected = UncheckedRows(), dict[bytes, bytes]()
    for key, value in story:
        if value is None:
            rows.remove(key)
            expected.pop(key, None)
        else:
            rows.put(key, value)
            expected[key] = value
    for _ in range(gathers):
        rows.gather()
    taken = list(rows.taken())
    assert len(taken) == len(expected)
    assert dict(taken) == expected
    assert list(rows.taken()) == []
