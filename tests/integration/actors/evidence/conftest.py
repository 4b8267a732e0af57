"""A cluster whose Gmail answers wrongly when it is told to."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from actors.config import EvidenceConfig, PollConfig, RetryConfig, ShardConfig
from cluster.simulator.process import start_simulator
from tests.integration.actors.conftest import Cluster, Simulator, empty_cluster

EVIDENCE = EvidenceConfig(check_delay_s=0.3, gone_after_s=3600.0, suspect_s=3600.0, grant_retry_s=0.3)


@pytest.fixture
async def doubted(
    new_pair: Callable[[], tuple[str, ...]], tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Cluster]:
    """A cluster of two small mailboxes at a simulator of its own, which nothing looks at unasked.

    Its parameter: seconds of the first pause after a failed call; by default short, as few tests are about pauses.
    """
    shard = ShardConfig(
        poll=PollConfig(enabled=False),
        retry=RetryConfig(first_delay_s=getattr(request, "param", 0.05), failed_delay_s=900.0),
        evidence=EVIDENCE,
        fetch_size=10,
    )
    with start_simulator(["--generate=80", "--users=2", "--quota-profile=unlimited"]) as url:
        async with empty_cluster(Simulator(url), new_pair, tmp_path, shard, segment_age_s=0.1) as cluster:
            yield cluster
