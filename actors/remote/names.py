"""The namespace and names of the project's actors, and the identity of their processes."""

import os
from dataclasses import dataclass

import psutil
import ray

NAMESPACE = "gbm"

#: Seconds within which a broker must answer: it only computes.
BROKER_TIMEOUT_S = 0.5


@dataclass(frozen=True, slots=True)
class Process:
    """The process of an actor. created_at: seconds since 1970, so that a reused process id is noticed."""

    node_id: str
    pid: int
    created_at: float


def this_process() -> Process:
    """The actor's process that calls this."""
    return Process(ray.get_runtime_context().get_node_id(), os.getpid(), psutil.Process().create_time())
