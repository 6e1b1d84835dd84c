"""Of each key the last value is there, once, whatever was superseded, removed or put to the side in between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy import unchecked_rows
from policy.unchecked_rows import UncheckedRows

keys = st.sampled_from([b"n1", b"n2", b"n3", b""])
values = st.binary(max_size=20)


@pytest.mark.parametrize("worth_dropping", [0, 16 * 1024 * 1024])
@given(story=st.lists(st.tuples(keys, st.none() | values)))
def test_the_last_value_of_each_key_is_taken_once(worth_dropping: int, story: list[tuple[bytes, bytes | None]]) -> None:
    rows, expected = UncheckedRows(), dict[bytes, bytes]()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(unchecked_rows, "_SUPERSEDED_BYTES", worth_dropping)
        for key, value in story:
            if value is None:
                rows.remove(key)
                expected.pop(key, None)
            else:
                rows.put(key, value)
                expected[key] = value
    taken = list(rows.taken())
    assert len(taken) == len(expected)
    assert dict(taken) == expected
    assert list(rows.taken()) == []


def test_a_value_that_is_superseded_for_ever_takes_no_more_place_than_its_bound() -> None:
    rows, value = UncheckedRows(), b"x" * 1_000_000
    for _ in range(100):
        rows.put(b"n1", value)
    assert len(rows._content) <= 16 * 1024 * 1024 + 2 * len(value)
    assert dict(rows.taken()) == {b"n1": value}
