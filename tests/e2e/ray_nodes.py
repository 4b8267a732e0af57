"""A Ray of several nodes on this machine, as KubeRay would start it: head without CPUs, one worker of each group.

    python -m tests.e2e.ray_nodes RAYSERVICE.yaml DASHBOARD_PORT

Prints one line of JSON when all nodes have joined, and ends them when its standard input ends. The environment is that
of every node, as in the pods of k8s/base/rayservice.yaml.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml


def main() -> None:
    """Run the nodes."""
    service, port = yaml.safe_load(Path(sys.argv[1]).read_text()), int(sys.argv[2])
    from cluster.ray_internals import prepare_ray

    prepare_ray()  # as for `gbm up`: another cluster of this machine has the fixed ports
    from ray.cluster_utils import Cluster

    local: dict[str, Any] = {"node_ip_address": "127.0.0.1", "object_store_memory": 100 << 20}
    cluster = Cluster()
    spec = service["spec"]["rayClusterConfig"]
    head = spec["headGroupSpec"]["rayStartParams"]
    options = {"include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": port}
    cluster.add_node(num_cpus=int(head["num-cpus"]), **options, **local)
    for group in spec["workerGroupSpecs"]:
        resources = {name: float(number) for name, number in group["resources"].items()}
        cpus = resources.pop("CPU")
        cluster.add_node(num_cpus=int(cpus), resources=resources, **local)
    cluster.wait_for_nodes()
    sys.stdout.write(json.dumps({"address": cluster.address, "dashboard": f"http://127.0.0.1:{port}"}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
