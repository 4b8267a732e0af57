"""Strict schemas of the kinds in k8s/, and the program that takes them from their sources.

    python -m tests.unit.cluster.kubernetes.schemas CORE CRD.yaml ... > schemas.json

CORE is a folder of the package kubernetes-validate (vX.Y.0-local-strict), which is 108 MB installed, so that the few
schemas are kept here instead of the package. Of each schema only the fields that some manifest of k8s/ has are kept,
without their texts: any other field is refused, as an API server refuses a field that no schema has. A manifest that
uses another field needs the program again. Sources, all under the Apache License 2.0: Kubernetes 1.36, CloudNativePG
1.30.0, its Barman plugin 0.15.0, prometheus-operator 0.85.0, cert-manager 1.21.2, External Secrets 0.16.2.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cluster.kubernetes import render
from cluster.kubernetes.kustomize import build, read

VENDORED = Path(__file__).parent / "schemas.json"
#: KubeRay's CRDs, which are data for tests beside the checkout.
KUBERAY = Path(__file__).parents[5] / "shared" / "k8s-crds"
_KEPT = {"type", "enum", "pattern", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "required"}
_KEPT |= {"oneOf", "anyOf", "allOf", "not", "const", "minProperties", "format"}
_DEEPEST = 60

Schema = dict[str, Any]


def key(manifest: Mapping[str, Any]) -> str:
    """apiVersion and kind, by which schemas are found."""
    return f"{manifest['apiVersion']}/{manifest['kind']}"


def manifests() -> list[dict[str, Any]]:
    """Every manifest of every overlay, job and example."""
    folder = render.default_folder()
    found = [each for path in sorted((folder / "overlays").glob("*/kustomization.yaml")) for each in build(path.parent)]
    for name in ("jobs", "examples"):
        for path in sorted((folder / name).glob("*.yaml")):
            found += read(path)
    return found


def strict(schema: Any) -> Any:
    """A schema of a CRD that refuses fields which it does not list, as the API server does."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(value) for name, value in schema.items() if name != "description"}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    listed = isinstance(schema.get("properties"), dict)
    if listed and not schema.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in schema:
        found["additionalProperties"] = False
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        found["type"] = [schema["type"], "null"]
    return found


def of_crd(path: Path) -> Iterator[tuple[str, Schema]]:
    """The strict schemas of a CRD's versions, by apiVersion and kind."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    spec = yaml.load(path.read_text(), loader)["spec"]
    for version in spec["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        # An API server knows these by itself.
        schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {}}
        yield f"{spec['group']}/{version['name']}/{spec['names']['kind']}", strict(schema)


def kuberay() -> dict[str, Schema]:
    """KubeRay's schemas; empty where the CRDs are not at hand."""
    return dict(pair for path in sorted(KUBERAY.glob("*.yaml")) for pair in of_crd(path))


def vendored() -> dict[str, Schema]:
    """The schemas of the other kinds."""
    found: dict[str, Schema] = json.loads(VENDORED.read_text())
    return found


def prune(schema: Any, instances: Sequence[Any], depth: int = 0) -> Any:
    """A schema without texts and without the fields that no instance has."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return schema
    found = {name: value for name, value in schema.items() if name in _KEPT}
    objects = [each for each in instances if isinstance(each, dict)]
    if isinstance(properties := schema.get("properties"), dict):
        used = {name for each in objects for name in each}
        found["properties"] = {
            name: prune(value, [each[name] for each in objects if name in each], depth + 1)
            for name, value in properties.items()
            if name in used
        }
    more = schema.get("additionalProperties", isinstance(properties, dict) is False)
    if isinstance(more, dict):
        known = set(properties or ())
        found["additionalProperties"] = prune(
            more, [value for each in objects for name, value in each.items() if name not in known], depth + 1
        )
    elif more is False or isinstance(properties, dict):
        found["additionalProperties"] = False
    if isinstance(items := schema.get("items"), dict):
        lists = [each for each in instances if isinstance(each, list)]
        found["items"] = prune(items, [value for each in lists for value in each], depth + 1)
    return found


def _resolved(schema: Any, definitions: Mapping[str, Any], depth: int = 0) -> Any:
    """A schema with its references replaced."""
    if isinstance(schema, list):
        return [_resolved(each, definitions, depth) for each in schema]
    if not isinstance(schema, dict) or depth > 30:
        return schema
    if "$ref" in schema:
        return _resolved(definitions[schema["$ref"].rpartition("/")[2]], definitions, depth + 1)
    return {name: _resolved(value, definitions, depth + 1) for name, value in schema.items()}


def _core(folder: Path, wanted: Iterable[str]) -> Iterator[tuple[str, Schema]]:
    definitions = json.loads((folder / "_definitions.json").read_text())["$defs"]
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", ()):
            found = "/".join(part for part in (kind["group"], kind["version"], kind["kind"]) if part)
            if found in wanted and name:
                yield found, _resolved(definition, definitions)


def main() -> None:
    """Print the pruned schemas of all kinds that are not KubeRay's."""
    folder, crds = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
    all_manifests = manifests()
    wanted = {key(each) for each in all_manifests if not key(each).startswith("ray.io/")}
    sources = {**dict(_core(folder, wanted)), **dict(pair for path in crds for pair in of_crd(path))}
    assert not (missing := wanted - set(sources)), missing
    pruned = {
        name: prune(sources[name], [each for each in all_manifests if key(each) == name]) for name in sorted(wanted)
    }
    sys.stdout.write(json.dumps(pruned, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
