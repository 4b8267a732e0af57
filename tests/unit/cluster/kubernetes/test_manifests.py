"""The manifests of k8s/: valid by strict schemas, complete in what they name, accepted by the program."""

import copy
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from cluster.kubernetes import applications, node, render
from cluster.kubernetes.kustomize import build, read
from cluster.settings import load_variables
from serve.settings import PREFIXES
from tests.unit.cluster.kubernetes.references import References
from tests.unit.cluster.kubernetes.schemas import KUBERAY, key, kuberay, strict, vendored

_FOLDER = render.default_folder()
_OVERLAYS = sorted(path.parent.name for path in (_FOLDER / "overlays").glob("*/kustomization.yaml"))
_JOBS = sorted(path.stem for path in (_FOLDER / "jobs").glob("*.yaml"))
_ROOT = Path(__file__).parents[4]

Manifests = list[dict[str, Any]]


@cache
def _validators() -> dict[str, Any]:
    return {name: jsonschema.Draft202012Validator(schema) for name, schema in {**vendored(), **kuberay()}.items()}


def _examples() -> Manifests:
    return [each for path in sorted((_FOLDER / "examples").glob("*.yaml")) for each in read(path)]


def _problems(manifests: Manifests) -> list[str]:
    """What schemas, references and settings have against manifests."""
    found = []
    for each in manifests:
        validator = _validators().get(key(each))
        if validator is None:
            assert key(each).startswith("ray.io/"), f"no schema of {key(each)}"
            continue
        name = f"{each['kind']}/{each['metadata'].get('name', '')}"
        found += [f"{name} {error.json_path}: {error.message[:200]}" for error in validator.iter_errors(each)]
    found += References(manifests, _examples()).problems()
    try:
        render.check(manifests)
    except render.ManifestInvalid as exc:
        found.append(str(exc))
    return found


def _of(manifests: Manifests, kind: str, name: str = "") -> dict[str, Any]:
    [found] = [each for each in manifests if each["kind"] == kind and name in ("", each["metadata"]["name"])]
    return found


@cache
def _built(overlay: str) -> Manifests:
    return build(_FOLDER / "overlays" / overlay)


def _production() -> Manifests:
    return copy.deepcopy(_built("production"))


@pytest.mark.parametrize("overlay", _OVERLAYS)
def test_an_overlay_is_valid_and_names_only_what_is_there(overlay: str) -> None:
    assert _problems(_built(overlay)) == []


@pytest.mark.skipif(not KUBERAY.is_dir(), reason="KubeRay's CRDs are not beside the checkout")
@pytest.mark.parametrize("overlay", _OVERLAYS)
def test_the_rayservice_is_valid_by_kuberays_own_schema(overlay: str) -> None:
    service = _of(_built(overlay), "RayService")

    assert [error.message for error in _validators()["ray.io/v1/RayService"].iter_errors(service)] == []


@pytest.mark.parametrize("job", _JOBS)
def test_a_job_names_the_cluster_and_a_command_that_exists(job: str) -> None:
    [manifest] = render.job(_FOLDER, job, "gmail-backup-x7k2p")

    assert manifest["spec"]["clusterSelector"] == {"ray.io/cluster": "gmail-backup-x7k2p"}
    _require_command(manifest["spec"]["entrypoint"].split())
    if validator := _validators().get(key(manifest)):
        assert [error.message for error in validator.iter_errors(manifest)] == []
    with pytest.raises(render.ManifestInvalid):
        render.job(_FOLDER, job, "not a name")


def test_examples_are_valid() -> None:
    assert [error.message for each in _examples() for error in _validators()[key(each)].iter_errors(each)] == []


def test_commands_in_containers_exist() -> None:
    commands = [container["command"] for pod in render.pods(_production()) for container in _containers(pod)]
    ours = [each[each.index("gbm") :] for each in commands if "gbm" in each]

    assert len(ours) == 8
    for words in ours:
        _require_command(words)


def _containers(pod: dict[str, Any]) -> Manifests:
    return [each for each in [*pod.get("initContainers", []), *pod["containers"]] if "command" in each]


def _require_command(words: list[str]) -> None:
    import typer

    from cluster.main import whole_program

    command: Any = typer.main.get_command(whole_program())
    assert words[0] == "gbm"
    arguments, context = words[1:], None
    while hasattr(command, "commands"):
        context = command.make_context("gbm", [], parent=context, resilient_parsing=True)
        command = command.commands[arguments.pop(0)]
    command.make_context("gbm", arguments, parent=context)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_serve_configuration_is_what_the_code_deploys() -> None:
    config = yaml.safe_load(_of(_production(), "RayService")["spec"]["serveConfigV2"])
    schema = strict(ServeDeploySchema.model_json_schema())
    jsonschema.Draft202012Validator(schema).validate({**config, "http_options": {}})
    # Ray checks that the files of the certificate exist.
    ServeDeploySchema.model_validate({**config, "http_options": {}})

    served = {each["name"]: each["route_prefix"] for each in config["applications"]}
    prefixes: dict[str, str | None] = dict(PREFIXES.items())
    assert served == {**prefixes, applications.SUPERVISOR: None}
    for each in config["applications"]:
        builder = getattr(applications, each["import_path"].partition(":")[2])
        assert each["import_path"] == f"{builder.__module__}:{builder.__name__}"
        assert [deployment["name"] for deployment in each["deployments"]] == [each["name"]]
        if "args" in each:
            assert applications.GatewayArguments(**each["args"]).name == each["name"]


def test_replicas_owners_and_tasks_find_the_nodes_that_are_theirs() -> None:
    manifests = _production()
    spec = _of(manifests, "RayService")["spec"]
    groups = {each["groupName"]: each["resources"] for each in spec["rayClusterConfig"]["workerGroupSpecs"]}
    config = yaml.safe_load(spec["serveConfigV2"])
    wanted: dict[str, Any] = {
        each["name"]: each["deployments"][0]["ray_actor_options"] for each in config["applications"]
    }

    replicas: dict[str, dict[str, int]] = {name: {"serving": 1} for name in PREFIXES}
    assert {name: options["resources"] for name, options in wanted.items()} == {
        **replicas,
        applications.SUPERVISOR: {"owners": 1},
    }
    assert all(options["num_cpus"] == 0 for options in wanted.values())
    assert {name: resources.get("CPU") for name, resources in groups.items()} == {
        "serving": "0",
        "owners": "0",
        "ingest": "4",
    }
    [settings] = {each.shards.resource for each in render.check(manifests)}
    assert settings in groups["owners"]
    assert spec["rayClusterConfig"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_there_is_room_for_every_owner_and_every_first_replica() -> None:
    for overlay in _OVERLAYS:
        manifests = _built(overlay)
        settings = render.check(manifests)[0]
        groups = {
            group["groupName"]: group
            for group in _of(manifests, "RayService")["spec"]["rayClusterConfig"]["workerGroupSpecs"]
        }
        replicas = settings.serve.scale.min_replicas * len(PREFIXES)
        owners, serving = groups["owners"], groups["serving"]
        assert owners["minReplicas"] * int(owners["resources"]["owners"]) > settings.shards.count
        assert serving["minReplicas"] * int(serving["resources"]["serving"]) >= replicas


def test_the_variables_of_ray_are_those_that_the_code_expects() -> None:
    manifests = _production()
    expected = node.environment(render.check(manifests)[0].join)

    given = _of(manifests, "ConfigMap", "gmail-backup-ray")["data"]
    assert expected.items() <= given.items()


def test_all_containers_agree_on_the_settings() -> None:
    first, *rest = [each.model_dump() for each in render.check(_production())]

    assert len(rest) == 11
    for each in rest:
        differing = {name for name in first if first[name] != each[name]}
        assert differing <= {"cluster", "join"}, "commands have neither a Ray node's name nor the gateway's secret"


def test_rays_version_is_that_of_the_lock() -> None:
    [locked] = re.findall(r"^ray(?:\[.*\])?==(\S+)", (_ROOT / "requirements.lock").read_text(), re.MULTILINE)

    assert _of(_production(), "RayService")["spec"]["rayClusterConfig"]["rayVersion"] == locked


def test_pods_run_as_nobody_in_particular_and_change_nothing_but_their_volumes() -> None:
    pods = list(render.pods(_production()))

    assert len(pods) == 9
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            context = container["securityContext"]
            assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} <= set(container["resources"])
        if pod.get("restartPolicy") != "Never" and "gmail-backup-valkey" not in str(pod["volumes"]):
            assert pod["terminationGracePeriodSeconds"] > 45


def test_no_manifest_contains_a_secret() -> None:
    assert [each["metadata"]["name"] for each in [*_production(), *_examples()] if each["kind"] == "Secret"] == []
    for each in render.containers(_production()):
        for name, value in each.variables.items():
            assert "@" not in value or ":secret@" in value, f"{each.name} {name}"


def test_an_archive_on_an_object_store_is_refused_by_the_program_that_would_open_it() -> None:
    from storage.files.blobs import ArchiveUnusable, open_blobs

    for each in render.check(_production()):
        assert each.archive.uri.startswith("file:///")
    with pytest.raises(ArchiveUnusable):
        open_blobs(load_variables({"GBM_ARCHIVE__URI": "s3://bucket/archive"}).archive.uri)


def test_alerts_name_only_metrics_that_exist() -> None:
    rules = _of(_production(), "PrometheusRule")["spec"]["groups"]
    named = set(
        re.findall(r"\b(?:gbm|ray)_[a-z_]+\b", " ".join(rule["expr"] for group in rules for rule in group["rules"]))
    )
    import ray

    ours = set(re.findall(r'"(gbm_[a-z_]+)"', (_ROOT / "serve/ops/metrics.py").read_text()))
    package = Path(ray.__file__).parent
    sources = [package / "serve/_private/deployment_state.py", package / "serve/_private/replica.py"]
    sources += sorted((package / "dashboard/modules/reporter").glob("*.py"))
    sources += sorted((package / "dashboard/modules/metrics/dashboards").glob("*.py"))
    rays = "\n".join(path.read_text() for path in sources)

    assert len(named) > 8
    for name in named:
        assert name in ours or re.search(rf"\b{name.removeprefix('ray_')}\b", rays), name


_Mutation = Callable[[Manifests], object]


def _head(manifests: Manifests) -> dict[str, Any]:
    template: dict[str, Any] = _of(manifests, "RayService")["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]
    return template


def _rename(mapping: dict[str, Any], old: str, new: str) -> None:
    mapping[new] = mapping.pop(old)


def _variable(manifests: Manifests, name: str) -> dict[str, Any]:
    found: dict[str, Any]
    [found] = [each for each in _head(manifests)["spec"]["containers"][0]["env"] if each["name"] == name]
    return found


_MUTATIONS: dict[str, tuple[_Mutation, str]] = {
    "a renamed field": (
        lambda m: _rename(_of(m, "CronJob", "gmail-backup-compact")["spec"], "timeZone", "timezone"),
        "timezone",
    ),
    "a renamed field of PostgreSQL": (
        lambda m: _rename(_of(m, "Cluster")["spec"], "instances", "replicas"),
        "replicas",
    ),
    "a renamed field of a monitor": (
        lambda m: _rename(_of(m, "PodMonitor", "gmail-backup-ray")["spec"], "podMetricsEndpoints", "endpoints"),
        "endpoints",
    ),
    "a number as text": (lambda m: _of(m, "StatefulSet")["spec"].update(replicas="1"), "'1' is not of type"),
    "a wrong port of an ingress": (
        lambda m: _of(m, "Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"].update(
            port={"name": "http"}
        ),
        "has no port",
    ),
    "a wrong port of a policy": (
        lambda m: _of(m, "NetworkPolicy", "gmail-backup-valkey")["spec"]["ingress"][0]["ports"][0].update(port=6380),
        "listens on 6380",
    ),
    "a wrong port of a monitor": (
        lambda m: _of(m, "PodMonitor", "gmail-backup-gateway")["spec"]["podMetricsEndpoints"][0].update(port="http"),
        "no selected pod has a port http",
    ),
    "a wrong port of a service": (
        lambda m: _of(m, "Service")["spec"]["ports"][0].update(targetPort="redis"),
        "no selected pod has a port redis",
    ),
    "a missing Secret": (
        lambda m: _variable(m, "GBM_SEALING__KEY")["valueFrom"]["secretKeyRef"].update(name="sealing"),
        "nothing makes the Secret sealing",
    ),
    "a missing key of a Secret": (
        lambda m: _variable(m, "GBM_SEALING__KEY")["valueFrom"]["secretKeyRef"].update(key="sealing"),
        "has no sealing",
    ),
    "a missing ConfigMap": (
        lambda m: _of(m, "ConfigMap", "gmail-backup-settings")["metadata"].update(name="settings"),
        "there is no ConfigMap gmail-backup-settings",
    ),
    "a missing claim": (
        lambda m: _of(m, "PersistentVolumeClaim")["metadata"].update(name="archive"),
        "there is no PersistentVolumeClaim gmail-backup-archive",
    ),
    "a missing volume": (
        lambda m: _head(m)["spec"]["volumes"].pop(0),
        "mounts tmp, which is no volume",
    ),
    "a missing database": (
        lambda m: m.remove(_of(m, "Database", "gmail-backup-shard1")),
        "has no database gbm_shard1",
    ),
    "labels that no pod has": (
        lambda m: _of(m, "PodDisruptionBudget", "gmail-backup-serving")["spec"]["selector"]["matchLabels"].update(
            {"app.kubernetes.io/component": "gateway"}
        ),
        "no pod has the labels",
    ),
    "a setting that does not exist": (
        lambda m: _of(m, "ConfigMap", "gmail-backup-settings")["data"].update(GBM_SERVE__PROT="8000"),
        "GBM_SERVE__PROT: no such setting",
    ),
    "a setting with a wrong value": (
        lambda m: _of(m, "ConfigMap", "gmail-backup-settings")["data"].update(GBM_SERVE__PORT="http"),
        "GBM_SERVE__PORT",
    ),
}


@pytest.mark.parametrize("name", _MUTATIONS)
def test_a_mistake_in_a_manifest_is_found(name: str) -> None:
    mutate, said = _MUTATIONS[name]
    manifests = _production()
    mutate(manifests)

    problems = _problems(manifests)
    assert any(said in problem for problem in problems), problems


@pytest.mark.skipif(not KUBERAY.is_dir(), reason="KubeRay's CRDs are not beside the checkout")
@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (("spec",), "excludeHeadPodFromServeSvc", "excludeHeadPod"),
        (("spec", "rayClusterConfig"), "enableInTreeAutoscaling", "autoscaling"),
        (("spec", "rayClusterConfig", "authOptions"), "secretName", "secret"),
        (("spec", "rayClusterConfig", "headGroupSpec", "template", "spec"), "initContainers", "initcontainers"),
    ],
    ids=str,
)
def test_a_renamed_field_of_kuberay_is_found(path: tuple[str, ...], old: str, new: str) -> None:
    service = _of(_production(), "RayService")
    place: Any = service
    for part in path:
        place = place[part]
    _rename(place, old, new)

    errors = [error.message for error in _validators()["ray.io/v1/RayService"].iter_errors(service)]
    assert any(new in error for error in errors), errors
