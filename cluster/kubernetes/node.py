"""What a pod needs before `ray start`: the files of its HAProxy. `gbm k8s prepare-node` writes them.

Every pod has the same folder, secret, certificate and ports, so the variables of Ray's processes are constants of the
manifests; tests/unit/cluster/kubernetes compares them with `environment`.
"""

import os
from pathlib import Path

from cluster import haproxy
from cluster.settings import JoinSettings, Settings
from storage.errors import BackupError

#: Ports of HAProxy's statistics and metrics (loopback), and the first of the replicas' ports.
PORTS = (8404, 9101, 20_000)


class NodeUnprepared(BackupError):
    """A pod lacks what its HAProxy needs. Mount the Secret, or set the variable."""

    def __init__(self, missing: str) -> None:
        super().__init__(missing)
        self.missing = missing

    def __str__(self) -> str:
        return f"This node has no {self.missing}: mount the Secrets of k8s/base as the manifests do."


def environment(join: JoinSettings) -> dict[str, str]:
    """The variables of Ray Serve for every container that runs Ray."""
    return haproxy.environment(join.folder, PORTS)


def prepare(settings: Settings) -> Path:
    """Write HAProxy's files; returns their folder.

    Raises:
        NodeUnprepared, TooFewFiles.
    """
    join = settings.join
    for path in (join.certificate, join.key, join.authority):
        if not path.is_file():
            raise NodeUnprepared(f"file {path}")
    # Names our script for Ray Serve; here, the binary is wanted that the script executes.
    os.environ.pop("RAY_SERVE_HAPROXY_BINARY_PATH", None)
    haproxy.prepare(join.folder, settings.serve, identity(join))
    return join.folder


def identity(join: JoinSettings) -> haproxy.Identity:
    """The secret and the certificate that all nodes share.

    Raises:
        NodeUnprepared.
    """
    if join.proof is None:
        raise NodeUnprepared("GBM_JOIN__PROOF")
    return haproxy.Identity(join.proof, join.certificate, join.key, join.authority, PORTS)
