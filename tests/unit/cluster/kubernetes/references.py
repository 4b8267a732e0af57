"""What the manifests of one overlay name, held against what is there."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cluster.kubernetes import render
from tests.unit.cluster.kubernetes.schemas import key

#: Secrets that operators make: CloudNativePG for its Cluster, by their documentation; and their keys.
_BY_OPERATORS = {
    "gmail-backup-postgres-app": {"username", "password", "uri", "dbname"},
    "gmail-backup-postgres-ca": {"ca.crt"},
}
_OF_CERTIFICATES = {"tls.crt", "tls.key", "ca.crt"}

Manifest = Mapping[str, Any]


class References:
    """The objects of an overlay. `problems` lists every reference that leads nowhere."""

    def __init__(self, manifests: Sequence[Manifest], examples: Sequence[Manifest]) -> None:
        self._manifests = manifests
        self._named = {(each["kind"], each["metadata"]["name"]): each for each in manifests}
        self._secrets: dict[str, set[str]] = dict(_BY_OPERATORS)
        for each in examples:
            self._secrets[each["spec"]["target"]["name"]] = {entry["secretKey"] for entry in each["spec"]["data"]}
        for each in manifests:
            if key(each) == "cert-manager.io/v1/Certificate":
                self._secrets[each["spec"]["secretName"]] = _OF_CERTIFICATES
        self._pods = list(self._all_pods())

    def problems(self) -> list[str]:
        """One sentence each."""
        found: list[str] = []
        for each in self._manifests:
            where = f"{each['kind']}/{each['metadata']['name']}"
            found += [f"{where}: {problem}" for problem in (*self._of_values(each), *self._of_kind(each))]
        return found

    def _of_values(self, node: Any) -> Iterator[str]:
        """Secrets, ConfigMaps, claims and classes that are named anywhere below a node."""
        if isinstance(node, list):
            for each in node:
                yield from self._of_values(each)
        if not isinstance(node, dict):
            return
        for name, value in node.items():
            yield from self._of_values(value)
            if name in ("secretKeyRef", "accessKeyId", "secretAccessKey"):
                yield from self._of_secret(value["name"], {value["key"]})
            elif name == "redisPassword":
                continue
            elif name == "secret" and isinstance(value, dict) and "secretName" in value:
                yield from self._of_secret(value["secretName"], {item["key"] for item in value.get("items", ())})
            elif name in ("configMapRef", "configMap") and isinstance(value, dict):
                yield from self._of_object("ConfigMap", value["name"])
            elif name == "persistentVolumeClaim":
                yield from self._of_object("PersistentVolumeClaim", value["claimName"])
            elif name == "priorityClassName":
                yield from self._of_object("PriorityClass", value)
            elif name == "issuerRef" and value["kind"] == "Issuer":
                yield from self._of_object("Issuer", value["name"])
            elif name == "barmanObjectName":
                yield from self._of_object("ObjectStore", value)
            elif name == "volumeMounts" and "image" in node:
                yield from self._of_mounts(node)

    def _of_mounts(self, container: Manifest) -> Iterator[str]:
        volumes: set[str] = set()
        for each in self._manifests:
            claims = {claim["metadata"]["name"] for claim in each.get("spec", {}).get("volumeClaimTemplates", ())}
            for pod in render.pods(each):
                if container in [*pod["containers"], *pod.get("initContainers", ())]:
                    volumes = {volume["name"] for volume in pod.get("volumes", ())} | claims
        yield from (
            f"{container['name']} mounts {mount['name']}, which is no volume"
            for mount in container["volumeMounts"]
            if mount["name"] not in volumes
        )

    def _of_secret(self, name: str, keys: set[str]) -> Iterator[str]:
        if name not in self._secrets:
            yield f"nothing makes the Secret {name}"
        elif missing := keys - self._secrets[name]:
            yield f"the Secret {name} has no {', '.join(sorted(missing))}"

    def _of_object(self, kind: str, name: str) -> Iterator[str]:
        if (kind, name) not in self._named:
            yield f"there is no {kind} {name}"

    def _of_kind(self, each: Manifest) -> Iterator[str]:
        spec = each.get("spec", {})
        if each["kind"] == "Ingress":
            for rule in spec["rules"]:
                for path in rule["http"]["paths"]:
                    yield from self._of_backend(path["backend"]["service"])
            for tls in spec["tls"]:
                yield from self._of_secret(tls["secretName"], {"tls.crt", "tls.key"})
        elif each["kind"] == "NetworkPolicy":
            yield from self._of_policy(spec)
        elif each["kind"] in ("PodDisruptionBudget", "PodMonitor"):
            yield from self._of_selector(spec["selector"]["matchLabels"])
            ports = {port["name"] for pod in self._selected(spec["selector"]["matchLabels"]) for port in pod[1]}
            for endpoint in spec.get("podMetricsEndpoints", ()):
                if endpoint["port"] not in ports:
                    yield f"no selected pod has a port {endpoint['port']}"
        elif each["kind"] == "Service":
            yield from self._of_selector(spec["selector"])
            ports = {port["name"] for _, ports in self._selected(spec["selector"]) for port in ports}
            yield from (
                f"no selected pod has a port {port['targetPort']}"
                for port in spec["ports"]
                if port["targetPort"] not in ports
            )
        elif each["kind"] in ("Database", "ScheduledBackup"):
            yield from self._of_object("Cluster", spec["cluster"]["name"])
        for constraints in _values(each, "topologySpreadConstraints"):
            for constraint in constraints:
                yield from self._of_selector(constraint["labelSelector"]["matchLabels"])
        for variables in _values(each, "env"):
            for variable in variables:
                yield from self._of_database(str(variable.get("value", "")))

    def _of_database(self, value: str) -> Iterator[str]:
        """Hosts and names of databases in a URL of PostgreSQL."""
        for part in value.split("postgresql://")[1:]:
            host, _, rest = part.partition("@")[2].partition(":")
            port, _, database = rest.partition("?")[0].partition("/")
            cluster = self._named.get(("Cluster", host.removesuffix("-rw").removesuffix("-ro")))
            if cluster is None or not host.endswith(("-rw", "-ro")):
                yield f"there is no database server {host}"
                continue
            names = {cluster["spec"]["bootstrap"]["initdb"]["database"]}
            names |= {each["spec"]["name"] for each in self._manifests if each["kind"] == "Database"}
            if database not in names or port != "5432":
                yield f"{host} has no database {database} on port {port}"

    def _of_backend(self, service: Manifest) -> Iterator[str]:
        """KubeRay makes this Service, if the head's container has a port of this name."""
        ray = [each for each in self._manifests if each["kind"] == "RayService"]
        made = {f"{each['metadata']['name']}-serve-svc": each for each in ray}
        if service["name"] not in made:
            yield f"nothing makes the Service {service['name']}"
            return
        head = made[service["name"]]["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]
        if service["port"].get("name") not in {port["name"] for port in head["containers"][0]["ports"]}:
            yield f"the Service {service['name']} has no port {service['port']}"

    def _of_policy(self, spec: Manifest) -> Iterator[str]:
        selected = spec["podSelector"]["matchLabels"]
        yield from self._of_selector(selected)
        numbers = {port["containerPort"] for _, ports in self._selected(selected) for port in ports}
        for rule in spec.get("ingress", ()):
            for peer in rule.get("from", ()):
                if "namespaceSelector" not in peer:
                    yield from self._of_selector(peer["podSelector"]["matchLabels"])
            yield from (
                f"no selected pod listens on {port['port']}"
                for port in rule.get("ports", ())
                if port["port"] not in numbers
            )

    def _of_selector(self, labels: Mapping[str, str]) -> Iterator[str]:
        if not any(labels.items() <= pod.items() for pod, _ in self._pods):
            yield f"no pod has the labels {dict(labels)}"

    def _selected(self, labels: Mapping[str, str]) -> list[tuple[dict[str, str], list[dict[str, Any]]]]:
        return [pod for pod in self._pods if labels.items() <= pod[0].items()]

    def _all_pods(self) -> Iterator[tuple[dict[str, str], list[dict[str, Any]]]]:
        """Labels and ports of every pod, also of those that operators make."""
        for each in self._manifests:
            for template in _values(each, "template"):
                labels, ports = dict(template.get("metadata", {}).get("labels", {})), []
                for container in template["spec"].get("containers", ()):
                    ports += container.get("ports", [])
                if each["kind"] == "RayService":
                    head = template is each["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]
                    labels |= {"ray.io/is-ray-node": "yes", "ray.io/node-type": "head" if head else "worker"}
                    ports = [*ports, {"name": "agent", "containerPort": 52365}]
                yield labels, ports
            if key(each) == "postgresql.cnpg.io/v1/Cluster":
                ports = [{"name": "pg", "containerPort": port} for port in (5432, 8000, 9187)]
                yield {"cnpg.io/cluster": each["metadata"]["name"]}, ports
        # KubeRay makes a job that removes the state of a deleted cluster from Valkey.
        yield {"ray.io/node-type": "redis-cleanup"}, []


def _values(node: Any, wanted: str) -> Iterator[Any]:
    """Every value of a field, at any depth."""
    if isinstance(node, list):
        for each in node:
            yield from _values(each, wanted)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == wanted:
                yield value
            yield from _values(value, wanted)
