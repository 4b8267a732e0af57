"""The manifests of an overlay, after their settings have been checked against the settings model.

A manifest whose variables the code would refuse, or ignore, is not printed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster.kubernetes.kustomize import Manifest, OverlayInvalid, OverlayMissing, build, read
from cluster.settings import InvalidSettings, Settings, load_variables
from storage.errors import BackupError

#: Placeholders of values that only the cluster knows, by variable; the others get `_SECRET`.
_PLACEHOLDERS = {"GBM_SEALING__KEY": "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=", "GBM_JOIN__PROOF": "a" * 64}
_SECRET = "secret"  # noqa: S105 - what a Secret holds is not known here
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
#: What a template of jobs/ has in the place of the Ray cluster's name.
_CLUSTER = "RAY-CLUSTER"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class ManifestInvalid(BackupError):
    """A manifest contradicts the program. Correct the manifest."""

    def __init__(self, container: str, problem: str) -> None:
        super().__init__(container, problem)
        self.container, self.problem = container, problem

    def __str__(self) -> str:
        return f"The container {self.container} would not start ({self.problem.rstrip('.')}): correct its manifest."


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a manifest: where it is, its specification, and its variables with references resolved."""

    name: str
    image: str
    variables: Mapping[str, str]

    @property
    def settings(self) -> dict[str, str]:
        """Its GBM_... variables."""
        return {name: value for name, value in self.variables.items() if name.startswith("GBM_")}


def default_folder() -> Path:
    """k8s/ of the checkout that this program runs from."""
    return Path(__file__).resolve().parents[2] / "k8s"


def overlay(folder: Path, name: str) -> list[Manifest]:
    """The checked manifests of an overlay.

    Raises:
        OverlayMissing, OverlayInvalid, ManifestInvalid.
    """
    overlays = folder / "overlays"
    known = tuple(sorted(path.parent.name for path in overlays.glob("*/kustomization.yaml")))
    if name not in known:
        raise OverlayMissing(name, str(overlays), known)
    manifests = build(overlays / name)
    check(manifests)
    return manifests


def job(folder: Path, name: str, cluster: str) -> list[Manifest]:
    """A RayJob for a Ray cluster that runs.

    Raises:
        OverlayMissing, OverlayInvalid, ManifestInvalid.
    """
    jobs = folder / "jobs"
    known = tuple(sorted(path.stem for path in jobs.glob("*.yaml")))
    if name not in known:
        raise OverlayMissing(name, str(jobs), known)
    if not _NAME.fullmatch(cluster):
        raise ManifestInvalid(name, f"{cluster!r} is no name of a Ray cluster")
    manifests = read(jobs / f"{name}.yaml")
    for manifest in manifests:
        selector = manifest["spec"]["clusterSelector"]
        if selector != {"ray.io/cluster": _CLUSTER}:
            raise OverlayInvalid(str(jobs / f"{name}.yaml"), f"its clusterSelector does not name {_CLUSTER}")
        selector["ray.io/cluster"] = cluster
    return manifests


def text(manifests: Sequence[Manifest]) -> str:
    """YAML, one document each."""
    return yaml.safe_dump_all(manifests, sort_keys=False, allow_unicode=True, width=120)


def check(manifests: Sequence[Manifest]) -> list[Settings]:
    """Load the GBM_ variables of every container as the program would; returns the settings of each.

    Raises:
        ManifestInvalid: a name is no setting, or a value is wrong.
    """
    loaded: dict[str, Settings] = {}  # most containers have the same variables
    found = []
    for container in containers(manifests):
        if not (variables := container.settings):
            continue
        try:
            if (key := repr(sorted(variables.items()))) not in loaded:
                loaded[key] = load_variables(variables)
        except InvalidSettings as exc:
            raise ManifestInvalid(container.name, exc.problems) from exc
        found.append(loaded[key])
    return found


def containers(manifests: Sequence[Manifest]) -> Iterator[Container]:
    """Every container, with its variables as Kubernetes would make them; secrets are placeholders.

    Raises:
        ManifestInvalid: a variable comes from a ConfigMap, or a key of one, that is not there.
    """
    maps = {each["metadata"]["name"]: each.get("data", {}) for each in manifests if each["kind"] == "ConfigMap"}
    for manifest in manifests:
        where = f"{manifest['kind']}/{manifest['metadata']['name']}"
        for pod in pods(manifest):
            for container in [*pod.get("initContainers", []), *pod["containers"]]:
                name = f"{where} {container['name']}"
                yield Container(name, container["image"], _variables(name, container, maps))


def pods(node: Any) -> Iterator[dict[str, Any]]:
    """Every specification of a pod below a node."""
    if isinstance(node, list):
        for each in node:
            yield from pods(each)
    elif isinstance(node, dict):
        if isinstance(node.get("containers"), list):
            yield node
        for value in node.values():
            yield from pods(value)


def _variables(name: str, container: Mapping[str, Any], maps: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" not in source:
            continue
        if (wanted := source["configMapRef"]["name"]) not in maps:
            raise ManifestInvalid(name, f"there is no ConfigMap {wanted}")
        variables.update(maps[wanted])
    for variable in container.get("env", []):
        if "value" in variable:
            # Kubernetes knows only the variables before this one.
            value = _REFERENCE.sub(lambda found: variables.get(found[1], found[0]), variable["value"])
        else:
            value = _PLACEHOLDERS.get(variable["name"], _SECRET)
        variables[variable["name"]] = value
    return variables
