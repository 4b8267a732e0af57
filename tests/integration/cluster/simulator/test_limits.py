"""Who may read, how much, and how it fails."""

import concurrent.futures
from collections import Counter

import pytest
import urllib3

from tests.integration.cluster.simulator.client import error
from tests.integration.cluster.simulator.conftest import Serve


def test_without_a_token_nothing_is_read(serve: Serve) -> None:
    client = serve()

    for token in ("", "Bearer wrong", f"Basic {client.token}"):
        answer = client.call("GET", "profile", headers={"Authorization": token})
        assert error(answer)[::2] == (401, "UNAUTHENTICATED")


def test_a_token_reads_its_own_mailbox_only(serve: Serve) -> None:
    client = serve(users=2)
    own, other = (user["email"] for user in client.sim("GET", "users").json())
    headers = {"Authorization": f"Bearer {client.token}"}

    def profile(email: str) -> urllib3.BaseHTTPResponse:
        return client.http.request("GET", f"{client.url}/gmail/v1/users/{email}/profile", headers=headers)

    assert profile(own.replace("@", "%40")).json()["emailAddress"] == own
    assert error(profile(other))[:2] == (403, "forbidden")


def test_a_revoked_grant_ends_old_tokens_and_gives_no_new_one(serve: Serve) -> None:
    client = serve()
    client.sim("POST", f"users/{client.email}/revoke")

    refused = client.refresh()
    assert (refused.status, refused.json()) == (
        400,
        {"error": "invalid_grant", "error_description": "Token has been expired or revoked."},
    )
    assert client.call("GET", "profile").status == 401
    client.sim("POST", f"users/{client.email}/restore")
    assert client.refresh().json()["token_type"] == "Bearer"


def test_a_client_revokes_its_own_grant(serve: Serve) -> None:
    client = serve()

    assert client.http.request("POST", f"{client.url}/revoke", fields={"token": client.token}, encode_multipart=False)
    assert client.refresh().status == 400


def test_a_wrong_client_or_grant_gets_no_token(serve: Serve) -> None:
    client = serve()

    assert client.refresh(client_id="nobody").json()["error"] == "invalid_client"
    assert client.refresh(client_secret="guess").status == 401
    assert client.refresh(refresh_token="guess").json()["error"] == "invalid_grant"
    assert client.refresh(grant_type="password").json()["error"] == "unsupported_grant_type"


def test_an_expired_access_token_is_401_and_a_new_one_works(serve: Serve) -> None:
    client = serve()
    client.sim("POST", f"users/{client.email}/expire-access")
    assert client.call("GET", "profile").status == 401

    client.token = client.refresh().json()["access_token"]

    assert client.call("GET", "profile").status == 200


def test_over_the_quota_is_429_until_the_minute_has_passed(serve: Serve) -> None:
    client = serve(quota_profile="standard", costs={"getProfile": 3000}, time_scale=100)
    answers = [client.call("GET", "profile") for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert error(answers[-1]) == (429, "userRateLimitExceeded", "RESOURCE_EXHAUSTED")
    assert answers[-1].headers["Retry-After"] == "1"
    while client.call("GET", "profile").status == 429:
        continue
    stats = client.sim("GET", "stats").json()
    assert stats["units"] == stats["units_by_user"][client.email] == 9000
    assert stats["refused"]["user"] >= 1


def test_a_batch_answers_and_charges_each_call(serve: Serve) -> None:
    client = serve()
    ids = [m["id"] for m in client.get("messages", maxResults=10)["messages"]]
    before = client.sim("GET", "stats").json()["units"]
    targets = [f"/gmail/v1/users/me/messages/{id_}?format=raw" for id_ in [*ids, "1000000000000000"]]

    for path in ("/batch/gmail/v1", "/batch"):
        body = client.batch(targets, path).data
        assert body.count(b"HTTP/1.1 200 OK") == 10 and body.count(b"HTTP/1.1 404 Not Found") == 1
        assert all(f"Content-ID: <response-{n}>".encode() in body for n in range(11))

    assert client.sim("GET", "stats").json()["units"] == before + 2 * 11 * 5


def test_a_batch_of_over_a_hundred_is_refused(serve: Serve) -> None:
    client = serve()

    assert error(client.batch(["/gmail/v1/users/me/profile"] * 101))[0] == 400


def test_too_many_requests_at_once_are_429(serve: Serve) -> None:
    client = serve(concurrency=2, latency_ms=200)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.call("GET", "profile"), range(6)))

    assert Counter(answer.status for answer in answers)[429] >= 1
    assert any(answer.status == 200 for answer in answers)
    assert client.sim("GET", "stats").json()["refused"]["concurrency"] >= 1


def test_latency_delays_each_request_and_not_each_other(serve: Serve) -> None:
    client = serve(latency_ms=300)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        started = list(pool.map(lambda _: client.call("GET", "profile", timeout=2), range(8)))

    assert [answer.status for answer in started] == [200] * 8


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("429", 429, "rateLimitExceeded"),
        ("403-rateLimitExceeded", 403, "rateLimitExceeded"),
        ("403-userRateLimitExceeded", 403, "userRateLimitExceeded"),
        ("403-quotaExceeded", 403, "quotaExceeded"),
        ("400-failedPrecondition", 400, "failedPrecondition"),
        ("500", 500, "backendError"),
        ("503", 503, "backendError"),
    ],
)
def test_each_fault_is_what_google_sends(serve: Serve, kind: str, status: int, reason: str) -> None:
    client = serve(fault_rate=1, faults=[kind])

    assert error(client.call("GET", "profile"))[:2] == (status, reason)
    assert f"HTTP/1.1 {status} ".encode() in client.batch(["/gmail/v1/users/me/profile"]).data
    assert client.sim("GET", "stats").json()["faults"] == {kind: 2}


def test_a_cut_connection_breaks_off_in_the_body(serve: Serve) -> None:
    client = serve(fault_rate=1, faults=["cut"])

    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.call("GET", "profile")
    client.sim("POST", "faults", json={"rate": 0})
    assert client.call("GET", "profile").status == 200


def test_a_stalled_connection_is_silent(serve: Serve) -> None:
    client = serve(fault_rate=1, faults=["stall"])

    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        client.call("GET", "profile", timeout=0.3)
    assert client.sim("GET", "stats").json()["faults"] == {"stall": 1}


def test_faults_come_at_their_rate_and_the_same_again(serve: Serve) -> None:
    def statuses() -> list[int]:
        client = serve(fault_rate=0.3, faults=["429", "500", "503"], seed=4)
        return [client.call("GET", "profile").status for _ in range(300)]

    first = statuses()

    assert first == statuses()
    assert 50 < sum(status != 200 for status in first) < 130


def test_the_control_surface_can_be_locked(serve: Serve) -> None:
    client = serve(control_token="open sesame")

    assert client.sim("GET", "users").status == 401
    assert client.sim("GET", "users", headers={"Authorization": "Bearer open sesame"}).status == 200


def test_control_says_what_it_does_not_understand(serve: Serve) -> None:
    client = serve()

    assert error(client.sim("POST", "faults", json={"rate": 7}))[0] == 400
    assert error(client.sim("POST", "faults", json={"kinds": ["plague"]}))[0] == 400
    assert error(client.sim("GET", "users/nobody@example.com/messages"))[0] == 404
    users = f"users/{client.email}/messages/{next(iter(client.held()))}/labels"
    assert error(client.sim("POST", users, body=b"{not json"))[0] == 400
