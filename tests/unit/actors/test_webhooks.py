"""Payloads and retries of webhooks."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from actors.webhooks import DELAYS_S, MOST_BYTES, delay_s, headers, payload
from jobs.webhooks.sending import Answer
from storage.control.webhooks import DueDelivery
from storage.events.stored_event import StoredEvent

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def event(data: dict[str, Any]) -> StoredEvent:
    return StoredEvent(3, 17, 7, "email.received", 1, data, NOON)


def test_a_payload_is_the_event() -> None:
    body = orjson.loads(payload(event({"segment": "s", "ids": ["a"]})))
    assert (body["id"], body["type"], body["timestamp"]) == ("3-17", "email.received", "2026-11-30T12:00:00Z")
    assert body["data"] == {"segment": "s", "ids": ["a"]}


def test_a_large_payload_is_sent_without_its_lists() -> None:
    text = payload(event({"segment": "s", "ids": ["f" * 16] * 2000}))
    assert len(text) < MOST_BYTES
    assert orjson.loads(text)["data"] == {"segment": "s", "omitted": ["ids"]}


def test_the_largest_event_of_mail_fits_whole() -> None:
    assert '"omitted"' not in payload(event({"segment": "0000/12-" + "a" * 32, "ids": ["f" * 16] * 500}))


def test_retries_cover_three_days_and_obey_the_receiver() -> None:
    failed = Answer(500, "no")
    assert 3 * 86_400 < sum(delay_s(number, failed, lambda: 0.5) for number in range(len(DELAYS_S))) < 4 * 86_400
    assert delay_s(0, failed, lambda: 0.0) == pytest.approx(0.8 * DELAYS_S[0])
    assert delay_s(0, failed, lambda: 1.0) == pytest.approx(1.2 * DELAYS_S[0])
    assert delay_s(0, Answer(429, "no", 120.0)) == 120.0
    assert delay_s(5, Answer(503, "no", 1.0), lambda: 0.5) == DELAYS_S[5]


def test_every_attempt_has_the_same_id_and_its_own_time() -> None:
    delivery = DueDelivery("wh_1", "3-17", "{}", 0, NOON, "https://example.com/", b"")
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    first, second = headers(secret, delivery, lambda: 100.9), headers(secret, delivery, lambda: 200.0)
    assert first[:2] == ["webhook-id: 3-17", "webhook-timestamp: 100"]
    assert second[0] == first[0]
    assert second[2] != first[2]
    assert first[2].startswith("webhook-signature: v1,")
