"""Every id of a fetch ends in exactly one place, whatever the answers look like."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gmail.api import GmailApi
from jobs.gmail.config import GmailConfig
from jobs.gmail.errors import AnswerTooLarge, GmailError, GmailRefused, GmailUnavailable, TokenRejected
from jobs.gmail.estimates import Estimates
from jobs.gmail.fetch import Fetch
from jobs.gmail.records import FetchResult
from jobs.gmail.transport import Answer

API = GmailApi("http://127.0.0.1:1")
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def fetch_of(*ids: int, **settings: object) -> Fetch:
    return Fetch(GmailConfig.model_validate({"batch_size": 2} | settings), API, ids, lambda: NOW)


def message(message_id: int, **changes: object) -> bytes:
    document = {
        "id": f"{message_id:x}",
        "threadId": "1",
        "historyId": "1",
        "internalDate": "1",
        "raw": "AAAA",
    }
    return orjson.dumps(document | changes)


def refusal(status: int, reason: str, text: str = "") -> tuple[int, bytes]:
    return status, orjson.dumps({"error": {"code": status, "message": text, "errors": [{"reason": reason}]}})


def multipart(*parts: tuple[int | str, int, bytes], ended: bool = True) -> bytes:
    found = b""
    for content_id, status, body in parts:
        name = f"{content_id:x}" if isinstance(content_id, int) else content_id
        head = f"--x\r\nContent-ID: <response-{name}>\r\n\r\nHTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n"
        found += head.encode() + body + b"\r\n"
    return found + (b"--x--\r\n" if ended else b"")


def answer(
    body: bytes, status: int = 200, fault: GmailError | None = None, sent: bool = True, kind: str = "multipart/mixed"
) -> Answer:
    return Answer(status, {"content-type": f"{kind}; boundary=x"}, body, fault, sent)


def exact_estimates() -> Estimates:
    """Of a Gmail whose estimates were exact a hundred times."""
    seen = Estimates()
    for _ in range(100):
        seen.saw(6, 6)
    return seen


def ended(fetch: Fetch, *answers: Answer) -> FetchResult:
    calls = fetch.calls()
    for one in answers:
        ids, _ = next(calls)
        fetch.answered(ids, one)
    assert list(calls) == []
    return fetch.result()


def kinds(result: FetchResult) -> dict[int, str]:
    return {failure.message_id: failure.kind for failure in result.failures}


def landed(result: FetchResult) -> list[int]:
    return [found.id for found in result.messages]


def test_ids_are_asked_for_in_batches_each_once() -> None:
    calls = list(fetch_of(1, 2, 1, 3).calls())

    assert [ids for ids, _ in calls] == [[1, 2], [3]]


def test_a_fetch_of_nothing_asks_nothing() -> None:
    assert ended(fetch_of()) == FetchResult([], [], [], None, 0, 0)


def test_messages_gone_ones_and_failures_are_told_apart_and_all_are_charged() -> None:
    not_found = refusal(404, "notFound", "Requested entity was not found.")
    first = multipart((1, 200, message(1)), (2, *not_found))
    second = multipart((3, *refusal(500, "backendError")), (4, 200, message(4)))

    result = ended(fetch_of(1, 2, 3, 4, quota_profile="standard"), answer(first), answer(second))

    assert landed(result) == [1, 4]
    assert result.gone == [2]
    assert kinds(result) == {3: "unavailable"}
    assert (result.units, result.requests, result.throttled) == (80, 2, None)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[1]", b"{", message(1, raw="*"), message(1, raw=None), message(2), message(1, id="zz")],
)
def test_one_bad_message_fails_alone(body: bytes) -> None:
    result = ended(fetch_of(1, 2), answer(multipart((1, 200, body), (2, 200, message(2)))))

    assert landed(result) == [2]
    assert kinds(result) == {1: "unreadable"}
    assert result.failures[0].retryable


def test_the_first_of_two_answers_for_an_id_counts_and_unasked_ones_are_ignored() -> None:
    body = multipart((1, 200, message(1)), (1, *refusal(404, "notFound")), (9, 200, message(9)), ("zz", 200, b"{}"))

    result = ended(fetch_of(1, 2), answer(body))

    assert landed(result) == [1]
    assert result.gone == []
    assert kinds(result) == {2: "unavailable"}


def test_a_page_of_html_instead_of_a_batch_fails_its_ids() -> None:
    result = ended(fetch_of(1, 2), answer(b"<html>", kind="text/html"))

    assert kinds(result) == {1: "unreadable", 2: "unreadable"}


def test_a_404_that_is_not_gmails_is_not_a_deletion() -> None:
    result = ended(fetch_of(1), answer(multipart((1, 404, b"<html>"))))

    assert result.gone == []
    assert kinds(result) == {1: "refused"}


def test_a_batch_address_that_is_not_found_is_refused_as_a_whole() -> None:
    fetch = fetch_of(1, 2)
    ids, _ = next(fetch.calls())
    fetch.answered(ids, answer(b"Not Found", status=404))

    with pytest.raises(GmailRefused):
        fetch.result()


def test_what_arrived_before_a_cut_is_kept() -> None:
    cut = answer(multipart((1, 200, message(1)), (2, 200, message(2)), ended=False), fault=GmailUnavailable("cut"))

    result = ended(fetch_of(1, 2, 3), cut, answer(multipart((3, 200, message(3)))))

    assert landed(result) == [1, 3]
    assert kinds(result) == {2: "unavailable"}


def test_a_limit_ends_the_sending_and_the_rest_is_not_charged() -> None:
    limited = refusal(403, "userRateLimitExceeded", "slow down")
    body = multipart((1, 200, message(1)), (2, *limited))

    result = ended(fetch_of(1, 2, 3, 4, 5, quota_profile="legacy", paid_tier=True), answer(body))

    assert landed(result) == [1]
    assert kinds(result) == dict.fromkeys([2, 3, 4, 5], "throttled")
    assert result.throttled is not None
    assert result.throttled.scope == "user"
    assert (result.units, result.requests) == (10, 1)


def test_a_batch_limited_as_a_whole_hands_its_ids_back_with_the_wait() -> None:
    whole = Answer(429, {"retry-after": "9"}, b"", None, True)

    result = ended(fetch_of(1, 2, 3), whole)

    assert [(f.message_id, f.kind, f.retry_after_s) for f in result.failures] == [
        (1, "throttled", 9.0),
        (2, "throttled", 9.0),
        (3, "throttled", 9.0),
    ]


def test_a_server_in_trouble_is_not_asked_further() -> None:
    result = ended(fetch_of(1, 2, 3), answer(b"", status=503))

    assert kinds(result) == {1: "unavailable", 2: "unavailable", 3: "not_sent"}
    assert all(failure.retryable for failure in result.failures)


def test_what_never_left_is_not_charged() -> None:
    unreachable = answer(b"", status=0, fault=GmailUnavailable("no route"), sent=False)

    result = ended(fetch_of(1, 2, 3), unreachable)

    assert kinds(result) == {1: "unavailable", 2: "unavailable", 3: "not_sent"}
    assert result.units == 0


@pytest.mark.parametrize("whole", [True, False])
def test_a_refused_token_raises_when_nothing_arrived(whole: bool) -> None:
    status, body = refusal(401, "authError")
    fetch = fetch_of(1, 2, 3)
    ids, _ = next(fetch.calls())
    fetch.answered(ids, answer(body, status=401) if whole else answer(multipart((1, status, body), (2, status, body))))

    with pytest.raises(TokenRejected):
        fetch.result()


def test_a_token_that_expired_midway_keeps_what_was_paid_for() -> None:
    result = ended(
        fetch_of(1, 2, 3, 4, 5),
        answer(multipart((1, 200, message(1)), (2, 200, message(2)))),
        answer(b"", status=401),
    )

    assert landed(result) == [1, 2]
    assert kinds(result) == dict.fromkeys([3, 4, 5], "token_rejected")


def test_the_bound_on_a_fetch_hands_the_rest_back() -> None:
    result = ended(
        fetch_of(1, 2, 3, fetch_limit_bytes=10), answer(multipart((1, 200, message(1)), (2, 200, message(2))))
    )

    assert landed(result) == [1, 2]
    assert kinds(result) == {3: "not_sent"}


def test_a_message_too_large_by_itself_is_set_aside_so_that_the_others_get_further() -> None:
    begun = multipart((1, 200, message(1)), ended=False)[:-20]

    result = ended(fetch_of(1, 2), answer(begun, fault=AnswerTooLarge(100)))

    assert {f.message_id: (f.kind, f.retryable) for f in result.failures} == {
        1: ("too_large", False),
        2: ("unavailable", True),
    }


def test_messages_too_large_together_are_offered_again() -> None:
    begun = multipart((1, 200, message(1)), (2, 200, message(2)), ended=False)[:-20]

    result = ended(fetch_of(1, 2), answer(begun, fault=AnswerTooLarge(100)))

    assert landed(result) == [1]
    assert {f.message_id: (f.kind, f.retryable) for f in result.failures} == {2: ("unavailable", True)}


_bodies = st.sampled_from([message(1), message(2), message(3), b"{", refusal(404, "notFound")[1], b""])
_parts = st.tuples(st.integers(1, 5), st.sampled_from([200, 404, 429, 500, 400]), _bodies)
_faults = st.sampled_from([None, GmailUnavailable("cut"), AnswerTooLarge(9)])


@given(st.lists(st.tuples(st.lists(_parts, max_size=4), _faults, st.integers(0, 600)), min_size=3, max_size=3))
def test_every_id_is_accounted_for_once(
    answers: list[tuple[list[tuple[int, int, bytes]], GmailError | None, int]],
) -> None:
    fetch = fetch_of(1, 2, 3, 4, 5)
    for (ids, _), (parts, fault, cut) in zip(fetch.calls(), answers, strict=False):
        body = multipart(*parts)
        fetch.answered(ids, answer(body[: len(body) - cut] if fault else body, fault=fault))

    result = fetch.result()

    found = landed(result) + result.gone + [failure.message_id for failure in result.failures]
    assert sorted(found) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("raw", ["", "AAAA"])
def test_bytes_far_from_the_estimate_are_asked_for_once_more(raw: str) -> None:
    doubtful, whole = message(1, sizeEstimate=6, raw=raw), message(1, sizeEstimate=6, raw="AAAAAAAA")

    result = ended(
        fetch_of(1, 2), answer(multipart((1, 200, doubtful), (2, 200, message(2)))), answer(multipart((1, 200, whole)))
    )

    assert [(found.id, len(found.raw), found.defects) for found in result.messages] == [(2, 3, ()), (1, 6, ())]
    assert (result.failures, result.units) == ([], 60)


def test_bytes_that_stay_far_from_the_estimate_are_kept_with_a_defect() -> None:
    answers = [answer(multipart((1, 200, message(1, sizeEstimate=600, raw=raw)))) for raw in ("AAAAAAAA", "AAAA")]

    result = ended(fetch_of(1), *answers)

    assert [(len(found.raw), found.defects) for found in result.messages] == [(6, ("size-estimate:600",))]


def test_no_bytes_at_all_are_no_message() -> None:
    empty = answer(multipart((1, 200, message(1, sizeEstimate=600, raw=""))))

    result = ended(fetch_of(1), empty, empty)

    assert kinds(result) == {1: "unreadable"}
    assert "no bytes of about 600" in result.failures[0].error


def test_a_message_that_gmail_says_is_empty_is_one() -> None:
    result = ended(fetch_of(1), answer(multipart((1, 200, message(1, sizeEstimate=0, raw="")))))

    assert [(found.raw, found.defects) for found in result.messages] == [(b"", ())]


@pytest.mark.parametrize(
    ("first", "second", "kept", "defects"),
    [
        ("AAAAAAA", "AAAAAAAA", 6, ()),  # the last byte was cut once
        ("AAAAAAA", "AAAAAAA", 5, ()),  # Gmail counts otherwise
        ("AAAAAAA", "AAAAAAE", 5, ("size-estimate:6",)),  # neither can be told from the other
    ],
)
def test_where_estimates_are_exact_a_small_difference_is_doubtful(
    first: str, second: str, kept: int, defects: tuple[str, ...]
) -> None:
    fetch = Fetch(GmailConfig(batch_size=2), API, [1], lambda: NOW, exact_estimates())

    result = ended(
        fetch, *(answer(multipart((1, 200, message(1, sizeEstimate=6, raw=raw)))) for raw in (first, second))
    )

    assert [(len(found.raw), found.defects) for found in result.messages] == [(kept, defects)]


def test_where_estimates_are_mostly_inexact_small_differences_cost_nothing() -> None:
    seen = exact_estimates()
    for _ in range(10):
        seen.saw(5, 6)

    assert seen.plausible(5, 6) and not seen.plausible(4, 6)


def test_a_batch_that_says_nothing_of_any_message_is_told_as_a_whole() -> None:
    result = ended(fetch_of(1, 2), answer(b"<html>", kind="text/html"))
    part = ended(fetch_of(1, 2), answer(multipart((1, 200, message(1)), ended=False), fault=GmailUnavailable("cut")))

    assert result.unusable is not None and "text/html" in str(result.unusable)
    assert part.unusable is not None
