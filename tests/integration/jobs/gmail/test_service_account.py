"""A domain opened by a service account, against the real simulator: tokens, the directory, what an admin takes back."""

from datetime import UTC, datetime

import orjson
import pytest

from jobs.gmail.client import GmailClient
from jobs.gmail.directory import domain_users
from jobs.gmail.errors import DelegationMissing, GmailRefused
from jobs.gmail.service_account import DIRECTORY_SCOPE, MAIL_SCOPE, ServiceAccount, delegated_token
from tests.integration.jobs.gmail.conftest import Simulator


def account(simulator: Simulator) -> ServiceAccount:
    return ServiceAccount.parse(orjson.dumps(simulator.ask("service-account")))


def token(simulator: Simulator, subject: str, scope: str = MAIL_SCOPE) -> str:
    config = simulator.config(token_uri=f"{simulator.url}/token")
    return delegated_token(account(simulator), subject, scope, config, datetime.now(UTC)).token.get_secret_value()


def test_a_delegated_token_opens_the_users_mailbox(simulator: Simulator) -> None:
    client = GmailClient(simulator.config())

    profile = client.profile(token(simulator, simulator.email))
    client.close()

    assert profile.email == simulator.email


def test_the_directory_lists_the_domains_users_and_says_who_is_suspended(simulator: Simulator) -> None:
    config = simulator.config(directory_endpoint=simulator.url)
    directory = token(simulator, simulator.email, DIRECTORY_SCOPE)

    before = domain_users(config, directory, "example.com")
    simulator.act("suspend")
    after = domain_users(config, directory, "example.com")

    assert [(user.email, user.active) for user in before] == [(simulator.email, True)]
    assert [(user.email, user.active) for user in after] == [(simulator.email, False)]
    with pytest.raises(DelegationMissing, match="suspended"):
        token(simulator, simulator.email)
    simulator.act("restore")


def test_a_mail_token_does_not_read_the_directory(simulator: Simulator) -> None:
    config = simulator.config(directory_endpoint=simulator.url)

    with pytest.raises(GmailRefused):
        domain_users(config, token(simulator, simulator.email), "example.com")


def test_an_admin_who_takes_the_delegation_back_is_told_what_to_allow(simulator: Simulator) -> None:
    simulator.ask("delegation/revoke", b"")
    with pytest.raises(DelegationMissing, match="Domain-wide delegation") as told:
        token(simulator, simulator.email)
    simulator.ask("delegation/restore", b"")

    assert MAIL_SCOPE in str(told.value) and simulator.email in str(told.value)
    assert token(simulator, simulator.email)


def test_nobody_outside_the_domain_is_opened(simulator: Simulator) -> None:
    with pytest.raises(DelegationMissing):
        token(simulator, "stranger@elsewhere.example")


def test_an_assertion_of_another_key_is_worth_nothing(simulator: Simulator) -> None:
    from cluster.simulator.workspace import Workspace

    other = ServiceAccount.parse(orjson.dumps(Workspace([simulator.email]).service_account(simulator.url)))
    config = simulator.config(token_uri=f"{simulator.url}/token")

    with pytest.raises(DelegationMissing):
        delegated_token(other, simulator.email, MAIL_SCOPE, config, datetime.now(UTC))
