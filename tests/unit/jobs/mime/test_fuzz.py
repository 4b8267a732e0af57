"""Whatever the bytes: no exception, valid text, bounded sizes, and every listed attachment can be fetched.

A few hundred examples of each kind; `python -m tests.fuzz_mime SECONDS` goes on for as long as wanted.
"""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.mime import rtf, tnef
from jobs.mime.defects import Defects
from tests.unit.jobs.mime import outlook
from tests.unit.jobs.mime.strategies import MAIL, TOKENS, check, damaged
from tests.unit.jobs.mime.test_parser import MIXED

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=200, suppress_health_check=_SLOW)
@given(damaged(st.just(MIXED)))
def test_a_damaged_message_never_fails(raw: bytes) -> None:
    check(raw)


@settings(max_examples=200, suppress_health_check=_SLOW)
@given(damaged(MAIL))
def test_mail_of_any_structure_never_fails(raw: bytes) -> None:
    check(raw)


@settings(max_examples=200)
@given(st.binary(max_size=2000) | st.lists(st.sampled_from(TOKENS), max_size=60).map(b"".join))
def test_random_bytes_never_fail(raw: bytes) -> None:
    check(raw)


@settings(max_examples=200)
@given(st.sampled_from([b"Subject", b"From", b"To", b"Date", b"Content-Type", b"Content-ID"]), st.binary(max_size=300))
def test_a_header_of_random_bytes_never_fails(name: bytes, value: bytes) -> None:
    check(name + b": " + value + b"\n\nbody")


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(0, 0xFFFF))
def test_tnef_and_rich_text_of_random_bytes_never_fail(data: bytes, name: int) -> None:
    tnef.read(tnef.SIGNATURE + data, 10, 1000, Defects())
    tnef.read(outlook.stream(outlook.attribute(1, 0x9003, data), outlook.attribute(2, name, data)), 10, 1000, Defects())
    assert len(rtf.decompress(data, 1000, Defects())) <= 1000
    rtf.text(b"{\\rtf" + data, Defects()).encode("utf-8")
