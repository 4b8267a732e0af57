"""Builds the overlays of k8s/ as `kubectl kustomize` does, without a binary.

Only what k8s/ uses: `resources`, `namespace`, `images`, and `patches` that are RFC 6902 operations or `$patch: delete`.
Anything else is refused. A test compares the result with `kubectl kustomize` where kubectl is installed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from storage.errors import BackupError

Manifest = dict[str, Any]

_FIELDS = {"apiVersion", "kind", "resources", "namespace", "images", "patches"}
#: Kinds of k8s/ that belong to no namespace.
_CLUSTER_SCOPED = {"Namespace", "PriorityClass"}
#: Kustomizations inside one another.
_DEEPEST = 8


class OverlayInvalid(BackupError):
    """A file of k8s/ cannot be built. Correct it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"{self.path} cannot be built: {self.problem}; correct the file."


class OverlayMissing(BackupError):
    """There is no such overlay. Name one that exists."""

    def __init__(self, name: str, folder: str, known: tuple[str, ...]) -> None:
        super().__init__(name, folder, known)
        self.name, self.folder, self.known = name, folder, known

    def __str__(self) -> str:
        found = f"it has {', '.join(self.known)}" if self.known else "a checkout of the project has them in k8s"
        return f"There is no {self.name!r} in {self.folder}: {found}; use one of these names, or --folder."


def build(folder: Path, depth: int = 0) -> list[Manifest]:
    """The manifests of a folder with a kustomization.yaml, in the order of its resources.

    Raises:
        OverlayInvalid.
    """
    path = folder / "kustomization.yaml"
    if depth > _DEEPEST:
        raise OverlayInvalid(str(path), f"more than {_DEEPEST} kustomizations refer to one another")
    document = read(path)[0]
    if unknown := sorted(set(document) - _FIELDS):
        raise OverlayInvalid(str(path), f"{', '.join(unknown)} is not supported")
    manifests: list[Manifest] = []
    for name in document.get("resources", []):
        resource = (folder / name).resolve()
        manifests += build(resource, depth + 1) if resource.is_dir() else read(resource)
    for patch in document.get("patches", []):
        manifests = _patched(manifests, patch, path)
    if namespace := document.get("namespace"):
        for manifest in manifests:
            if manifest["kind"] == "Namespace":
                manifest["metadata"]["name"] = namespace
            elif manifest["kind"] not in _CLUSTER_SCOPED:
                manifest["metadata"]["namespace"] = namespace
    for image in document.get("images", []):
        _rename(manifests, image)
    return manifests


def read(path: Path) -> list[Manifest]:
    """The documents of a YAML file.

    Raises:
        OverlayInvalid: it is missing, no YAML, or a document is no object with a kind.
    """
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is built
        documents = [each for each in yaml.load_all(path.read_text(), loader) if each is not None]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise OverlayInvalid(str(path), str(exc).splitlines()[0]) from exc
    if not documents or not all(isinstance(each, dict) and "kind" in each for each in documents):
        raise OverlayInvalid(str(path), "a document has no kind")
    return documents


def _patched(manifests: list[Manifest], patch: Mapping[str, Any], path: Path) -> list[Manifest]:
    target = patch["target"]
    chosen = [
        each for each in manifests if (each["kind"], each["metadata"]["name"]) == (target["kind"], target["name"])
    ]
    if len(chosen) != 1:
        raise OverlayInvalid(
            str(path), f"a patch names {target['kind']} {target['name']}, of which there are {len(chosen)}"
        )
    operations = yaml.safe_load(patch["patch"])
    if isinstance(operations, dict) and operations.get("$patch") == "delete":
        return [each for each in manifests if each is not chosen[0]]
    if not isinstance(operations, list):
        raise OverlayInvalid(str(path), f"the patch of {target['name']} is no list of operations")
    for operation in operations:
        try:
            _apply(chosen[0], operation)
        except (KeyError, IndexError, TypeError, ValueError) as exc:
            raise OverlayInvalid(str(path), f"{operation.get('op')} {operation.get('path')} does not apply") from exc
    return manifests


def _apply(document: Any, operation: Mapping[str, Any]) -> None:
    """One operation of RFC 6902, in place. Raises KeyError, IndexError, TypeError, ValueError."""
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    for part in parents:
        document = document[int(part) if isinstance(document, list) else part]
    key: Any = int(last) if isinstance(document, list) and last != "-" else last
    if operation["op"] == "add" and isinstance(document, list):
        document.insert(len(document) if key == "-" else key, operation["value"])
    elif operation["op"] == "add":
        document[key] = operation["value"]
    elif operation["op"] == "replace":
        document[key]  # it must be there
        document[key] = operation["value"]
    elif operation["op"] == "remove":
        del document[key]
    else:
        raise ValueError(operation["op"])


def _rename(node: Any, image: Mapping[str, str]) -> None:
    """Rename an image of every container below a node."""
    if isinstance(node, list):
        for each in node:
            _rename(each, image)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("containers", "initContainers"):
                for container in value:
                    if container.get("image") == image["name"]:
                        container["image"] = f"{image['newName']}:{image['newTag']}"
            _rename(value, image)
