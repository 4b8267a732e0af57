"""cluster/kubernetes/kustomize.py builds overlays as kubectl does, and refuses what it does not know."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.kubernetes import render
from cluster.kubernetes.kustomize import OverlayInvalid, OverlayMissing, build

_OVERLAYS = sorted(path.parent for path in (render.default_folder() / "overlays").glob("*/kustomization.yaml"))
_BASE = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k/1: one\n  list: []\n"


def _by_name(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(manifests, key=lambda each: (each["kind"], each["metadata"]["name"]))


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl here")
@pytest.mark.parametrize("overlay", _OVERLAYS, ids=lambda path: path.name)
def test_an_overlay_is_built_as_kubectl_builds_it(overlay: Path) -> None:
    done = subprocess.run(["kubectl", "kustomize", str(overlay)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    assert _by_name(list(yaml.load_all(done.stdout, loader))) == _by_name(build(overlay))


def _folder(tmp_path: Path, kustomization: str, base: str = _BASE) -> Path:
    (tmp_path / "a.yaml").write_text(base)
    (tmp_path / "kustomization.yaml").write_text("kind: Kustomization\nresources: [a.yaml]\n" + kustomization)
    return tmp_path


def _patch(operations: str, name: str = "a") -> str:
    return f"patches:\n  - target: {{kind: ConfigMap, name: {name}}}\n    patch: |\n      {operations}\n"


def test_operations_change_what_their_paths_name(tmp_path: Path) -> None:
    operations = "- {op: replace, path: /data/k~11, value: two}\n      - {op: add, path: /data/new, value: three}\n"
    operations += "      - {op: remove, path: /data/list}"

    [found] = build(_folder(tmp_path, _patch(operations)))
    assert found["data"] == {"k/1": "two", "new": "three"}


@pytest.mark.parametrize(
    ("kustomization", "said"),
    [
        (_patch("- {op: replace, path: /data/x, value: y}"), "does not apply"),
        (_patch("- {op: remove, path: /data/x}"), "does not apply"),
        (_patch("- {op: move, path: /data/x}"), "does not apply"),
        (_patch("data: {x: y}"), "no list of operations"),
        (_patch("- {op: add, path: /data/x, value: y}", "b"), "ConfigMap b, of which there are 0"),
        ("configMapGenerator: []\n", "configMapGenerator is not supported"),
    ],
    ids=str,
)
def test_a_kustomization_that_cannot_be_built_is_refused_with_the_reason(
    tmp_path: Path, kustomization: str, said: str
) -> None:
    with pytest.raises(OverlayInvalid, match=said):
        build(_folder(tmp_path, kustomization))


@pytest.mark.parametrize("base", ["- 1\n", "kind: [", "", "a: b\n"], ids=repr)
def test_a_resource_that_is_no_manifest_is_refused(tmp_path: Path, base: str) -> None:
    with pytest.raises(OverlayInvalid):
        build(_folder(tmp_path, "", base))


def test_kustomizations_that_refer_to_one_another_end(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("kind: Kustomization\nresources: [.]\n")

    with pytest.raises(OverlayInvalid, match="refer to one another"):
        build(tmp_path)


def test_an_overlay_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(OverlayMissing, match="it has development, production, production-incremental, staging"):
        render.overlay(render.default_folder(), "prod")
    with pytest.raises(OverlayMissing, match="a checkout of the project has them"):
        render.overlay(Path("/nowhere"), "production")
