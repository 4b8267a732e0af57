"""The client against the simulator: everything arrives exactly, and whatever goes wrong is accounted for."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.gmail.client import GmailClient, client_of
from jobs.gmail.config import GmailConfig
from jobs.gmail.credentials import refresh
from jobs.gmail.errors import (
    GmailRefused,
    GmailUnavailable,
    GrantRevoked,
    HistoryExpired,
    Throttled,
    TokenRejected,
)
from jobs.gmail.records import FetchResult, LabelChanged, MessageAdded, MessageDeleted
from tests.integration.jobs.gmail.conftest import Simulator, all_ids, digests, start, stop

# Real mail may lie beside the checkout; it is never part of it.
REAL_MAIL = Path(__file__).parents[5] / "shared" / "mail" / "spamassassin.tar.gz"


def assert_accounted(result: FetchResult, ids: list[int]) -> None:
    found = [message.id for message in result.messages] + result.gone
    found += [failure.message_id for failure in result.failures]
    assert sorted(found) == sorted(ids)


def test_the_profile_and_the_labels_are_the_mailboxs(simulator: Simulator, client: GmailClient) -> None:
    token = simulator.token()

    profile = client.profile(token)

    assert profile.email == simulator.email
    assert profile.messages_total == len(simulator.held())
    assert profile.history_id > 0
    assert {"INBOX", "SPAM", "TRASH"} <= {label.id for label in client.labels(token)}


def test_paging_lists_every_message_once(simulator: Simulator, client: GmailClient) -> None:
    ids = all_ids(client, simulator.token(), page_size=50)

    assert len(ids) == len(set(ids))
    assert set(ids) == set(simulator.held())


def test_a_label_narrows_the_listing(simulator: Simulator, client: GmailClient) -> None:
    token = simulator.token()
    chosen = min(simulator.held())
    simulator.change_labels(chosen, add=["STARRED"])
    starred = {int(m["id"], 16) for m in simulator.ask(f"users/{simulator.email}/messages") if "STARRED" in m["labels"]}

    assert set(client.list_messages(token, label_ids=["STARRED"]).ids) == starred
    assert chosen in starred


def test_every_message_arrives_bit_by_bit(simulator: Simulator, client: GmailClient) -> None:
    held = simulator.held()

    result = client.fetch(simulator.token(), list(held))

    assert digests(result.messages) == held
    assert (result.gone, result.failures, result.throttled) == ([], [], None)
    assert result.units == 5 * len(held)
    assert result.requests == -(-len(held) // 20)
    assert all(message.thread_id and message.history_id and message.internal_date_ms for message in result.messages)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_the_batch_size_changes_nothing(simulator: Simulator, batch_size: int) -> None:
    held = simulator.held()
    client = GmailClient(simulator.config(batch_size=batch_size, connections=3))

    assert digests(client.fetch(simulator.token(), list(held)).messages) == held
    client.close()


def test_threads_may_share_a_client(simulator: Simulator, client: GmailClient) -> None:
    held, token = simulator.held(), simulator.token()
    ids = list(held)

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda n: client.fetch(token, ids[n::6]), range(6)))

    assert digests(message for result in results for message in result.messages) == held


def test_one_configuration_has_one_client(simulator: Simulator) -> None:
    assert client_of(simulator.config()) is client_of(simulator.config())
    assert client_of(simulator.config()) is not client_of(simulator.config(batch_size=3))


def test_messages_that_vanished_are_gone_and_the_others_arrive(simulator: Simulator, client: GmailClient) -> None:
    ids = list(simulator.held())[:3]
    missing = [0x7F00000000000001, 0x7F00000000000002]

    result = client.fetch(simulator.token(), [*missing, *ids])

    assert sorted(result.gone) == missing
    assert sorted(message.id for message in result.messages) == sorted(ids)


def test_history_tells_what_happened_in_order(simulator: Simulator, client: GmailClient) -> None:
    token = simulator.token()
    pinned = client.profile(token).history_id
    added = int(simulator.act("messages?label=INBOX", b"Subject: new\r\n\r\nnew")["id"], 16)
    simulator.change_labels(added, add=["STARRED"], remove=["INBOX"])
    simulator.act(f"messages/{added:x}/delete")

    page = client.history(token, pinned)

    assert page.next_page_token is None
    changes = [change for change in page.changes if change.message_id == added]
    assert [type(change) for change in changes] == [MessageAdded, LabelChanged, LabelChanged, MessageDeleted]
    assert {(c.label_id, c.on) for c in changes if isinstance(c, LabelChanged)} == {("STARRED", True), ("INBOX", False)}
    order = [change.history_id for change in changes]
    assert order == sorted(order)
    assert page.history_id >= order[-1] > pinned


def test_history_that_gmail_forgot_is_expired(simulator: Simulator, client: GmailClient) -> None:
    token = simulator.token()
    pinned = client.profile(token).history_id
    simulator.act("messages?label=INBOX", b"Subject: newer\r\n\r\nnewer")
    simulator.act("expire-history")

    with pytest.raises(HistoryExpired):
        client.history(token, 1)
    assert client.history(token, client.profile(token).history_id).changes == []
    assert pinned < client.profile(token).history_id


def test_with_a_fault_in_five_calls_every_id_is_accounted_for_and_all_arrive_in_the_end(
    simulator: Simulator, client: GmailClient
) -> None:
    held, token = simulator.held(), simulator.token()
    simulator.misbehave(0.2)
    owed, arrived, rounds = list(held), dict[int, str](), 0

    while owed and rounds < 500:
        rounds += 1
        result = client.fetch(token, owed)
        assert_accounted(result, owed)
        assert result.gone == []
        assert all(failure.retryable for failure in result.failures)
        arrived |= digests(result.messages)
        owed = [failure.message_id for failure in result.failures]

    assert arrived == held
    assert rounds > 1


def test_cut_connections_lose_nothing_that_arrived_whole(simulator: Simulator, client: GmailClient) -> None:
    held, token = simulator.held(), simulator.token()
    simulator.misbehave(1, "cut")

    result = client.fetch(token, list(held))

    assert_accounted(result, list(held))
    assert digests(result.messages).items() <= held.items()
    assert {failure.kind for failure in result.failures} <= {"unavailable", "not_sent"}
    assert result.failures
    with pytest.raises(GmailUnavailable):
        client.profile(token)


def test_a_stalled_answer_ends_with_its_time(simulator: Simulator) -> None:
    held, token = simulator.held(), simulator.token()
    client = GmailClient(simulator.config(total_timeout_s=0.5))
    simulator.misbehave(1, "stall")

    result = client.fetch(token, list(held)[:20])

    assert_accounted(result, list(held)[:20])
    assert result.failures
    client.close()


@pytest.mark.parametrize(
    ("kind", "scope"),
    [("429", "concurrency"), ("403-userRateLimitExceeded", "user"), ("403-rateLimitExceeded", "project")],
)
def test_a_limit_ends_the_sending(simulator: Simulator, kind: str, scope: str) -> None:
    held, token = list(simulator.held()), simulator.token()
    client = GmailClient(simulator.config(batch_size=10, connections=2))
    simulator.misbehave(1, kind)

    result = client.fetch(token, held)

    assert_accounted(result, held)
    assert {failure.kind for failure in result.failures} == {"throttled"}
    assert result.throttled is not None
    assert result.throttled.scope == scope
    # Both connections were under way when the first one told of the limit.
    assert result.requests == 2
    assert result.units == result.requests * 10 * 5
    with pytest.raises(Throttled):
        client.profile(token)
    client.close()


def test_an_expired_access_token_is_rejected_and_a_new_one_works(simulator: Simulator, client: GmailClient) -> None:
    ids, old = list(simulator.held())[:30], simulator.token()
    simulator.act("expire-access")

    with pytest.raises(TokenRejected):
        client.profile(old)
    with pytest.raises(TokenRejected):
        client.fetch(old, ids)
    assert len(client.fetch(simulator.token(), ids).messages) == 30


def test_a_revoked_grant_says_how_to_renew_it(simulator: Simulator) -> None:
    user = simulator.user()
    simulator.act("revoke")

    with pytest.raises(GrantRevoked, match=f"gbm accounts login {simulator.email}"):
        refresh(user, simulator.config(), datetime.now(UTC))


def test_a_wrong_client_secret_is_refused_and_not_repeated_in_the_error(simulator: Simulator) -> None:
    user = simulator.user()
    config = simulator.config()
    wrong = type(user)(user.email, "another-client", user.client_secret, user.refresh_token, user.token_uri)

    with pytest.raises(GmailRefused, match="invalid_client") as caught:
        refresh(wrong, config, datetime.now(UTC))
    assert user.refresh_token.get_secret_value() not in str(caught.value)


def test_a_simulator_that_is_gone_is_unavailable_and_nothing_is_charged(tmp_path: Path, mail: Path) -> None:
    process, simulator = start(tmp_path, mail, "--quota-profile", "unlimited", "--users", "1")
    client, ids, token = GmailClient(simulator.config()), list(simulator.held()), simulator.token()
    assert len(client.fetch(token, ids).messages) == len(ids)
    stop(process)

    result = client.fetch(token, ids)

    assert_accounted(result, ids)
    assert result.units == 0
    with pytest.raises(GmailUnavailable):
        client.profile(token)
    client.close()


def test_the_quota_of_a_user_shows_as_throttling(tmp_path: Path, mail: Path) -> None:
    process, simulator = start(
        tmp_path, mail, "--quota-profile", "standard", "--users", "1", "--costs", '{"messages.get": 200}'
    )
    client = GmailClient(
        simulator.config(quota_profile="standard", cost_overrides={"messages.get": 200}, batch_size=10)
    )
    ids = list(simulator.held())

    result = client.fetch(simulator.token(), ids)

    assert_accounted(result, ids)
    assert result.throttled is not None
    assert result.messages
    assert result.units < 200 * len(ids)
    client.close()
    stop(process)


def test_an_address_that_is_not_gmail_is_unavailable() -> None:
    client = GmailClient(GmailConfig(endpoint="http://127.0.0.1:1"))

    with pytest.raises(GmailUnavailable):
        client.profile("token")
    assert client.fetch("token", [1, 2]).units == 0


@pytest.mark.skipif(not REAL_MAIL.exists(), reason="the shared mail is not on this machine")
def test_real_mail_arrives_bit_by_bit(tmp_path: Path) -> None:
    process, simulator = start(tmp_path, REAL_MAIL, "--quota-profile", "unlimited", "--concurrency", "100")
    client, token = GmailClient(simulator.config()), simulator.token()

    result = client.fetch(token, all_ids(client, token))

    assert digests(result.messages) == simulator.held()
    client.close()
    stop(process)
