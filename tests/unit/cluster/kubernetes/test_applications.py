"""cluster/kubernetes/applications.py: Ray Serve can call the builders, and gets the applications of the gateway."""

import base64
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ray import serve as ray_serve
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary as call_builder

from cluster.kubernetes import applications
from cluster.kubernetes.node import NodeUnprepared
from serve.settings import PREFIXES
from serve.settings import Settings as GatewaySettings

_DASHBOARD = "http://10.0.0.1:8265"


@pytest.fixture(autouse=True)
def _pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment of a container of the manifests."""
    for name in [name for name in os.environ if name.startswith("GBM_")]:
        monkeypatch.delenv(name)
    variables = {
        "GBM_HOME": str(tmp_path / "home"),
        "GBM_CLUSTER": "gmail-backup-x7k2p",
        "GBM_ARCHIVE__URI": (tmp_path / "archive").as_uri(),
        "GBM_POSTGRES__CONTROL_DSN": "postgresql://gbm:password@db/control",
        "GBM_POSTGRES__SHARD_DSNS": '["postgresql://gbm:password@db/shard0"]',
        "GBM_SEALING__KEY": base64.b64encode(bytes(32)).decode(),
        "GBM_JOIN__ADDRESS": "auto",
        "GBM_JOIN__PROOF": "p" * 64,
        "GBM_SERVE__SCALE__MIN_REPLICAS": "2",
        "GBM_SHARDS__RESOURCE": "owners",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(applications, "dashboard_of_this_ray", lambda: _DASHBOARD)


@pytest.mark.parametrize("name", PREFIXES)
def test_an_application_of_the_gateway_is_built_with_the_settings_of_the_pod(name: str) -> None:
    built: Any = call_builder(applications.gateway, {"name": name})

    deployment = built._bound_deployment
    assert isinstance(built, ray_serve.Application) and deployment.name == name
    assert deployment._deployment_config.autoscaling_config.min_replicas == 2
    given_name, settings = deployment.init_args
    assert (given_name, settings.backup.cluster, settings.backup.shard.resource) == (
        name,
        "gmail-backup-x7k2p",
        "owners",
    )
    assert settings.campaigns.dashboard == _DASHBOARD


def test_what_travels_to_replicas_contains_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    built: Any = call_builder(applications.gateway, {"name": "emails"})

    sent = pickle.dumps(built._bound_deployment.init_args)
    assert b"password" not in sent and b"p" * 64 not in sent
    received = pickle.loads(sent)[1]
    assert isinstance(received, GatewaySettings) and received.proof is not None
    assert received.proof.get_secret_value() == "p" * 64


def test_the_supervisor_is_built_by_a_builder_that_ray_serve_can_call() -> None:
    built: Any = call_builder(applications.supervisor, {})

    assert built._bound_deployment.name == applications.SUPERVISOR
    assert built._bound_deployment._deployment_config.num_replicas == 1


def test_arguments_and_settings_that_would_not_work_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError):
        call_builder(applications.gateway, {"name": "mail"})
    with pytest.raises(ValidationError):
        call_builder(applications.supervisor, {"shards": 2})
    monkeypatch.delenv("GBM_CLUSTER")
    with pytest.raises(applications.NotShared, match="GBM_CLUSTER"):
        call_builder(applications.supervisor, {})
    monkeypatch.setenv("GBM_CLUSTER", "one")
    monkeypatch.delenv("GBM_JOIN__PROOF")
    with pytest.raises(NodeUnprepared, match="GBM_JOIN__PROOF"):
        call_builder(applications.gateway, {"name": "emails"})
