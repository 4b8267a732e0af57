"""Types of events: none is without a contract, and none that was released has changed."""

from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from storage.events.control_types import OwnerReplaced
from storage.events.event_type import EventData, Registry, UnknownEventType
from storage.events.log import decode_fleet, encode_fleet
from storage.events.mailbox_types import EmailReceived, MailboxMended, SyncStopped
from storage.events.publishing import publish
from storage.events.reference import render
from storage.events.registry import REGISTRY
from storage.events.stored_event import InvalidEventId, StoredEvent, parse_id
from storage.model.records import Mended

REQUIRED = """
user.authenticated account.added account.revoked account.paused account.resumed email.sync.started email.sync.progress
email.sync.completed email.sync.failed email.received email.deleted email.relabelled email.analyzed
analytics.update_required shard.moved owner.replaced messages.damaged quota.exhausted
"""


def test_every_promised_type_is_registered() -> None:
    assert set(REQUIRED.split()) <= set(REGISTRY.names())


@pytest.mark.parametrize("model", REGISTRY.all(), ids=lambda model: f"{model.type}:{model.version}")
def test_a_type_says_what_it_means_and_takes_no_unknown_field(model: type[EventData]) -> None:
    schema = model.json_schema()
    assert model.__doc__
    assert "base class" not in model.__doc__
    assert schema["additionalProperties"] is False
    assert model.private <= set(model.model_fields)


def test_an_event_has_every_count_of_what_was_mended() -> None:
    assert set(MailboxMended.model_fields) == {field.name for field in fields(Mended)}


def test_operators_see_no_type_that_lists_messages() -> None:
    for model in REGISTRY.all():
        listed = {"ids", "changes"} & set(model.model_fields)
        assert not model.fleet or listed <= model.private, model.type


def test_two_models_of_one_version_are_refused() -> None:
    with pytest.raises(ValueError, match=r"email\.received version 1"):
        Registry([EmailReceived, EmailReceived])


def test_a_filter_selects_names_and_prefixes() -> None:
    assert REGISTRY.selected("email.received") == ["email.received"]
    assert REGISTRY.selected("account.*, email.deleted") == [
        *("account.added", "account.paused", "account.removed", "account.resumed", "account.revoked", "email.deleted")
    ]
    assert REGISTRY.selected(None) is None
    for wrong in ("email", "*", "mail.*", ""):
        with pytest.raises(UnknownEventType):
            REGISTRY.selected(wrong)


@pytest.mark.parametrize(("user_id", "data"), [(None, SyncStopped()), (7, OwnerReplaced(shard=1, epoch=2))])
def test_an_event_of_a_mailbox_has_a_user_and_no_other_has(user_id: int | None, data: EventData) -> None:
    connection: Any = None
    with pytest.raises(ValueError, match="user id"):
        publish(connection, 1, [(user_id, data)])


def event(kind: str = "messages.damaged", data: dict[str, Any] | None = None) -> StoredEvent:
    found = {"segment": "s", "messages": 1, "ids": ["a"]} if data is None else data
    return StoredEvent(3, 17, 7, kind, 1, found, datetime(2026, 11, 30, 12, tzinfo=UTC))


def test_an_event_is_a_cloud_event() -> None:
    assert event().cloud_event() == {
        "specversion": "1.0",
        "id": "3-17",
        "source": "/shards/3",
        "type": "messages.damaged",
        "time": "2026-11-30T12:00:00Z",
        "subject": "users/7",
        "datacontenttype": "application/json",
        "dataschema": "urn:gmail-backup-manager:event:messages.damaged:1",
        "data": {"segment": "s", "messages": 1, "ids": ["a"]},
    }


def test_operators_see_neither_private_fields_nor_the_data_of_unknown_types() -> None:
    assert event().cloud_event(fleet=True)["data"] == {"segment": "s", "messages": 1}
    assert event("email.from_tomorrow").cloud_event(fleet=True)["data"] == {}


def test_ids_are_cursors() -> None:
    assert parse_id("control-5") == (-1, 5)
    assert parse_id("12-1764000000000000") == (12, 1764000000000000)
    for wrong in ("", "5", "-1-5", "a-5", "1-", "1-5-6", "1-" + "9" * 19, "1-5\n"):
        with pytest.raises(InvalidEventId):
            parse_id(wrong)


def test_a_cursor_of_the_fleet_survives_its_text() -> None:
    positions = {-1: 5, 0: 0, 63: 1764000000000000}
    assert decode_fleet(encode_fleet(positions)) == positions
    for wrong in ("", "x", "AAAA", "3-5", "é", "A" * 100_000, encode_fleet({-2: 1}), encode_fleet({1: -1})):
        with pytest.raises(InvalidEventId):
            decode_fleet(wrong)


def test_the_reference_page_is_generated_from_the_registry() -> None:
    page = Path(__file__).parents[4] / "serve" / "EVENTS.md"
    assert page.read_text(encoding="utf-8") == render(), "run: python -m storage.events.reference > serve/EVENTS.md"
