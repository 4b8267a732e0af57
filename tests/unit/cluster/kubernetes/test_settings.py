"""Settings of manifests: loaded strictly, whatever this process's environment says."""

import pytest

from cluster.kubernetes.applications import NotShared, require_shared
from cluster.settings import InvalidSettings, load_variables

_SHARED = {
    "GBM_POSTGRES__CONTROL_DSN": "postgresql://gbm:x@db/control",
    "GBM_ARCHIVE__URI": "file:///archive",
    "GBM_CLUSTER": "one",
}


def test_only_the_given_variables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GBM_SERVE__PORT", "9999")

    settings = load_variables({"GBM_ENVIRONMENT": "production", "GBM_SERVE__THREADS": "3"})
    assert (settings.serve.port, settings.serve.threads, settings.shards.count) == (8000, 3, 64)


@pytest.mark.parametrize(
    "name", ["GBM_SERVE__PROT", "GBM_SERV__PORT", "GBM_SERVE__PORT__X", "SERVE__PORT", "GBM_", "GBM_SERVE__"]
)
def test_a_variable_that_is_no_setting_is_an_error(name: str) -> None:
    with pytest.raises(InvalidSettings, match="no such setting"):
        load_variables({name: "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GBM_SERVE__PORT", "http"),
        ("GBM_SERVE__TRUSTED_PROXIES", "10.0.0.0/8"),
        ("GBM_ENVIRONMENT", "prod"),
        ("GBM_JOIN__PROOF", "short"),
        ("GBM_JOIN__PROOF", "x" * 40 + "\n"),
    ],
)
def test_a_wrong_value_is_an_error_that_does_not_repeat_it(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load_variables({name: value})
    assert name == "GBM_ENVIRONMENT" or value not in str(caught.value)


@pytest.mark.parametrize("missing", _SHARED)
def test_a_cluster_of_several_nodes_does_without_nothing_that_nodes_share(missing: str) -> None:
    require_shared(load_variables(_SHARED))

    with pytest.raises(NotShared, match=missing):
        require_shared(load_variables({name: value for name, value in _SHARED.items() if name != missing}))
