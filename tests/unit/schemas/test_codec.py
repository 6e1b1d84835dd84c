import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import DecodeError, decode, encode
from schemas.commands import Command
from schemas.decisions import CapsuleDecision
from schemas.network import NetworkObservation
from schemas.telemetry import Telemetry
from schemas.timestamp import Timestamp

OBSERVATION = {"nodeId": "n1", "observedAt": "2026-11-23T20:00:00.000Z", "asn": 64500}
COMMAND = {
    "commandId": "c1",
    "nodeId": "n1",
    "action": "release",
    "actor": "ops@example.org",
    "reason": "checked",
    "issuedAt": "2026-11-23T20:00:00Z",
}


def observation(**changes: object) -> bytes:
    return json.dumps(OBSERVATION | changes).encode()


def test_unknown_fields_are_ignored_on_input() -> None:
    assert decode(NetworkObservation, observation(colour="blue", deep={"a": [1]}), "t").asn == 64500


def test_an_optional_field_that_is_null_is_absent_and_is_not_written() -> None:
    message = decode(NetworkObservation, observation(region=None, eventId=None), "t")
    assert message.region is None
    assert encode(message) == b'{"nodeId":"n1","observedAt":"2026-11-23T20:00:00.000Z","asn":64500}'


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (b"{not json", "$"),
        (b"", "$"),
        (b"null", "$"),
        (b"[]", "$"),
        (b"\xff\xfe", "$"),
        (b'"text"', "$"),
        (b"[" * 100_000, "$"),
        (b'{"x":' + b"[" * 100_000, "$"),
        (observation(nodeId=7), "nodeId"),
        (observation(nodeId=""), "nodeId"),
        (observation(nodeId="n" * 129), "nodeId"),
        (observation(nodeId="n1\n"), "nodeId"),
        (observation(nodeId="n 1"), "nodeId"),
        (observation(nodeId="nö"), "nodeId"),
        (observation(observedAt="yesterday"), "observedAt"),
        (observation(observedAt="2026-11-23T20:00:00"), "observedAt"),
        (observation(observedAt=1795464000000), "observedAt"),
        (observation(observedAt=None), "observedAt"),
        (observation(asn=0), "asn"),
        (observation(asn=4_294_967_296), "asn"),
        (observation(asn="64500"), "asn"),
        (observation(asn=True), "asn"),
        (observation(asn=None), "ip"),
        (observation(ip="300.1.1.1"), "ip"),
        (observation(ip="fe80::1%eth0"), "ip"),
        (observation(ip=""), "ip"),
        (observation(region=""), "region"),
        (observation(region="x" * 129), "region"),
        (observation(eventId=""), "eventId"),
        (b'{"nodeId":"n1","asn":1}', "observedAt"),
        (observation().replace(b'"n1"', b'"\\ud800"'), "$"),
    ],
)
def test_what_is_not_the_message_is_one_error_that_names_topic_field_and_reason(value: bytes, field: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(NetworkObservation, value, "node.network.v1")
    assert caught.value.topic == "node.network.v1"
    assert caught.value.field.startswith(field)
    assert caught.value.reason


def test_a_record_without_a_value_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="no value"):
        decode(NetworkObservation, None, "node.network.v1")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": "destroy"}, "action"),
        ({"action": "exempt"}, "expiresAt"),
        ({"action": "exempt", "expiresAt": None}, "expiresAt"),
        ({"actor": ""}, "actor"),
        ({"reason": None}, "reason"),
        ({"commandId": "c" * 129}, "commandId"),
    ],
)
def test_a_command_is_held_to_its_constraints(changes: dict[str, object], field: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(Command, json.dumps(COMMAND | changes).encode(), "node.commands.v1")
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"lastShutdownClean": "yes"}, "lastShutdownClean"),
        ({"lastShutdownClean": None}, "lastShutdownClean"),
        ({"kind": "reboot"}, "kind"),
        ({"uptimeSeconds": "long"}, "uptimeSeconds"),
        ({"fingerprint": "xyz"}, "fingerprint"),
        ({"agentVersion": "1 0"}, "agentVersion"),
        ({"metrics": {"load": "high"}}, "metrics"),
        ({"bootId": ""}, "bootId"),
    ],
)
def test_telemetry_is_held_to_its_constraints(changes: dict[str, object], field: str) -> None:
    report = {"nodeId": "n1", "observedAt": "2026-11-23T20:00:00Z", "lastShutdownClean": True}
    assert decode(Telemetry, json.dumps(report).encode(), "t").lastShutdownClean is True
    with pytest.raises(DecodeError) as caught:
        decode(Telemetry, json.dumps(report | changes).encode(), "node.telemetry.v1")
    assert caught.value.field.startswith(field)


@pytest.mark.parametrize(
    "revision", ["9223372036854775808", "18446744073709551616", "1" + "0" * 30, "1" + "0" * 5000], ids=len
)
def test_a_number_beyond_64_bits_is_refused_before_anyone_stores_it(revision: str) -> None:
    decision = {
        "requestId": "request-0000000000000000",
        "nodeId": "n1",
        "requestDigest": "0" * 64,
        "decidedAt": "2026-11-23T20:00:00Z",
        "denied": False,
    }
    text = json.dumps(decision)[:-1] + ', "riskRevision": %s}'
    assert decode(CapsuleDecision, (text % (2**63 - 1)).encode(), "t").riskRevision == 2**63 - 1
    with pytest.raises(DecodeError) as caught:
        decode(CapsuleDecision, (text % revision).encode(), "capsule.decisions.v1")
    assert caught.value.field == "riskRevision"


def test_the_address_is_in_canonical_form_after_decoding() -> None:
    assert decode(NetworkObservation, observation(ip="2001:DB8::0:1"), "t").ip == "2001:db8::1"
    assert decode(NetworkObservation, observation(ip="::ffff:192.0.2.10"), "t").ip == "192.0.2.10"


def test_an_error_repeats_no_secret_of_the_value() -> None:
    with pytest.raises(DecodeError) as caught:
        decode(NetworkObservation, observation(observedAt="hunter2"), "t")
    assert "hunter2" not in str(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_decode_error(value: bytes) -> None:
    for message_type in (NetworkObservation, Telemetry, Command):
        with pytest.raises(DecodeError):
            decode(message_type, value, "t")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(OBSERVATION)), inner),
        max_leaves=8,
    )
)
def test_no_json_raises_anything_but_a_decode_error(value: object) -> None:
    try:
        message = decode(NetworkObservation, json.dumps(value).encode(), "t")
    except DecodeError as error:
        assert error.field
    else:
        assert encode(message)


def test_a_timestamp_is_written_in_the_wire_form_and_nothing_else_is_guessed() -> None:
    class Unknown(msgspec.Struct):
        value: complex

    assert encode(decode(Command, json.dumps(COMMAND).encode(), "t")).endswith(
        b'"issuedAt":"2026-11-23T20:00:00.000Z"}'
    )
    with pytest.raises(NotImplementedError):
        encode(Unknown(1j))
    assert repr(Timestamp(0)) == "Timestamp.parse('1970-01-01T00:00:00.000Z')"


@pytest.mark.parametrize("value", ["hunter2", "hunter2 - at `$.kind`", 2_718_281_828])
def test_an_error_repeats_nothing_of_a_value_that_is_none_of_the_allowed_ones(value: object) -> None:
    message = {"nodeId": "n1", "observedAt": "2026-11-23T20:00:00Z", "lastShutdownClean": True, "kind": value}
    with pytest.raises(DecodeError) as caught:
        decode(Telemetry, json.dumps(message).encode(), "node.telemetry.v1")
    assert "kind" in caught.value.field
    assert "hunter2" not in str(caught.value)
    assert "2718281828" not in str(caught.value)
