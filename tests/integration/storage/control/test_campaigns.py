"""Campaigns as rows: the same request joins, what is done stays done, and every end can be resumed but success."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from storage.catalog.catalog import Catalog
from storage.config import PostgresConfig
from storage.control.campaigns import (
    CampaignEnded,
    Campaigns,
    CampaignState,
    Member,
    UnknownCampaign,
    campaign_status,
    states_of,
)
from storage.control.control import Control
from storage.db import migrate
from storage.db.engines import Databases
from storage.db.migrate import create_database
from storage.embedded_postgres.embedded import EmbeddedPostgres
from storage.model.records import User


@pytest.fixture(scope="module")
def databases(postgres: EmbeddedPostgres) -> Iterator[Databases]:
    """Databases of these tests alone: their users are of no other test."""
    create_database(postgres.dsn("campaign_tests"))
    databases = Databases(PostgresConfig(control_dsn=SecretStr(postgres.dsn("campaign_tests"))), "campaign tests")
    migrate.upgrade(databases, shards=4)
    yield databases
    databases.close()


@pytest.fixture
def campaigns(databases: Databases) -> Campaigns:
    return Campaigns(databases.control)


_numbers = iter(range(10_000))


def members(databases: Databases, count: int = 3) -> list[Member]:
    """Mailboxes that nobody else has."""
    control = Control(databases.control)
    return [Member(control.add_user(f"campaign-{next(_numbers)}@example.com")) for _ in range(count)]


def test_the_same_request_while_it_runs_is_the_same_campaign(databases: Databases, campaigns: Campaigns) -> None:
    some = members(databases)
    first, new = campaigns.begin("incremental", some, "ada@example.com")
    again, again_new = campaigns.begin("incremental", some[::-1], "bob@example.com")
    other, other_new = campaigns.begin("full", some, "ada@example.com")

    assert (new, again_new, other_new) == (True, False, True)
    assert again.campaign_id == first.campaign_id != other.campaign_id
    assert (first.mailboxes, first.done, first.failed, first.state) == (3, 0, 0, CampaignState.RUNNING)


def test_once_it_has_ended_the_same_request_is_a_new_one(databases: Databases, campaigns: Campaigns) -> None:
    some = members(databases)
    first, _ = campaigns.begin("incremental", some, "ada@example.com")
    campaigns.end(first.campaign_id, CampaignState.COMPLETE)

    second, new = campaigns.begin("incremental", some, "ada@example.com")

    assert new and second.campaign_id > first.campaign_id


def test_a_callers_key_is_the_same_campaign_for_ever(databases: Databases, campaigns: Campaigns) -> None:
    some = members(databases)
    first, _ = campaigns.begin("incremental", some, "ada@example.com", f"key-{some[0].user.user_id}")
    campaigns.end(first.campaign_id, CampaignState.COMPLETE)

    again, new = campaigns.begin("incremental", some, "ada@example.com", f"key-{some[0].user.user_id}")

    assert (new, again.campaign_id, again.state) == (False, first.campaign_id, CampaignState.COMPLETE)


def test_what_is_done_stays_done_and_what_failed_is_tried_again(databases: Databases, campaigns: Campaigns) -> None:
    one, two, three = members(databases)
    campaign, _ = campaigns.begin("incremental", [one, two, three], "ada@example.com")
    campaigns.record(campaign.campaign_id, [one.user.user_id], {two.user.user_id: "refused"})
    campaigns.record(campaign.campaign_id, [two.user.user_id], {one.user.user_id: "too late"})
    states = {member.user: (member.state, member.error) for member in campaigns.members(campaign.campaign_id)}
    campaigns.end(campaign.campaign_id, CampaignState.INCOMPLETE)

    resumed = campaigns.run(campaign.campaign_id)

    assert states == {one.user: ("done", None), two.user: ("failed", "refused"), three.user: ("pending", None)}
    assert (resumed.state, resumed.done, resumed.failed, resumed.ended_at) == (CampaignState.RUNNING, 1, 0, None)


def test_every_job_of_a_campaign_has_a_name_of_its_own(databases: Databases, campaigns: Campaigns) -> None:
    campaign, _ = campaigns.begin("full", members(databases), "ada@example.com")

    names = [campaigns.run(campaign.campaign_id).job_id for _ in range(3)]

    assert names == [f"backfill-{campaign.campaign_id}-{number}" for number in (1, 2, 3)]


def test_a_cancelled_campaign_is_resumed_and_a_complete_one_is_not(databases: Databases, campaigns: Campaigns) -> None:
    campaign, _ = campaigns.begin("full", members(databases), "ada@example.com")
    assert campaigns.cancel(campaign.campaign_id).state is CampaignState.CANCELLING
    campaigns.end(campaign.campaign_id, CampaignState.CANCELLED)
    assert campaigns.run(campaign.campaign_id).state is CampaignState.RUNNING
    campaigns.end(campaign.campaign_id, CampaignState.COMPLETE)

    for refused in (campaigns.run, campaigns.cancel):
        with pytest.raises(CampaignEnded, match="complete already"):
            refused(campaign.campaign_id)


def test_a_campaign_cannot_go_on_beside_a_newer_one_that_does_the_same(
    databases: Databases, campaigns: Campaigns
) -> None:
    some = members(databases)
    old, _ = campaigns.begin("full", some, "ada@example.com")
    campaigns.end(old.campaign_id, CampaignState.CANCELLED)
    campaigns.begin("full", some, "ada@example.com")

    with pytest.raises(CampaignEnded, match="newer"):
        campaigns.run(old.campaign_id)


def test_the_list_goes_backwards_in_pages(databases: Databases, campaigns: Campaigns) -> None:
    ids = [campaigns.begin("full", members(databases, 1), "ada@example.com")[0].campaign_id for _ in range(3)]

    first = campaigns.newest(2)
    rest = campaigns.newest(1, before=first[-1].campaign_id)

    assert [campaign.campaign_id for campaign in (*first, *rest)] == ids[::-1]


def test_an_unknown_campaign_is_told(campaigns: Campaigns) -> None:
    with pytest.raises(UnknownCampaign, match="--list"):
        campaigns.get(10**9)


def test_a_campaign_stands_where_its_mailboxes_stand(databases: Databases, campaigns: Campaigns) -> None:
    opened, never = members(databases, 2)
    shards = Control(databases.control).shards()
    user: User = opened.user
    catalog = Catalog(databases.shard_database(shards[user.shard_id]))
    catalog.open_mailbox(user.shard_id, user.user_id, user.email)
    campaign, _ = campaigns.begin("incremental", [opened, never], "ada@example.com")

    found = campaign_status(campaign, databases, shards)

    assert states_of(databases, shards, [opened.user, never.user]).keys() == {user.user_id}
    assert (found["state"], found["mailboxes"], found["messages"], found["eta_s"]) == ("running", 2, 0, None)


def test_a_job_for_what_is_being_cancelled_leaves_it_so(databases: Databases, campaigns: Campaigns) -> None:
    campaign, _ = campaigns.begin("incremental", members(databases), "ada@example.com")
    campaigns.run(campaign.campaign_id)
    campaigns.cancel(campaign.campaign_id)

    again = campaigns.run(campaign.campaign_id)

    assert (again.state, again.runs) == (CampaignState.CANCELLING, 2)


def test_mailboxes_that_another_campaign_works_on_are_known(databases: Databases, campaigns: Campaigns) -> None:
    first, second, third = members(databases)
    mine, _ = campaigns.begin("incremental", [first, second, third], "ada@example.com")
    other, _ = campaigns.begin("full", [second, third], "bob@example.com")
    campaigns.record(other.campaign_id, [third.user.user_id], {})

    assert campaigns.elsewhere(mine.campaign_id) == {second.user.user_id}
    campaigns.cancel(other.campaign_id)
    assert campaigns.elsewhere(mine.campaign_id) == set()
