"""A mailbox without a grant of its own is opened by its domain's service account; its own grant comes first."""

import orjson
import pytest

from actors.tokens import Tokens
from jobs.gmail.errors import DelegationMissing, GrantRevoked
from storage.control.sealing import domain_context
from tests.integration.actors.conftest import Cluster


def _tokens(cluster: Cluster) -> Tokens:
    return Tokens(cluster.control, cluster.sealer, cluster.backup.gmail)


async def test_the_domains_service_account_opens_what_has_no_grant_of_its_own(cluster: Cluster) -> None:
    user = cluster.control.add_user("nobody@elsewhere.example")
    with pytest.raises(GrantRevoked):
        await _tokens(cluster).get(user.user_id, user.email)
    account = orjson.dumps(cluster.simulator.ask("service-account"))
    for domain in ("example.com", "elsewhere.example"):
        cluster.control.save_domain(domain, cluster.sealer.seal(account, domain_context(domain)), "admin@example.com")
    known = cluster.users[0]
    cluster.control.remove_user(known.user_id)  # its own grant is forgotten
    known = cluster.control.add_user(known.email)

    tokens = _tokens(cluster)
    token = await tokens.get(known.user_id, known.email)

    assert token.get_secret_value() and await tokens.get(known.user_id, known.email) == token
    with pytest.raises(DelegationMissing):
        await tokens.get(user.user_id, user.email)
