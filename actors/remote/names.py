"""Where the project's actors have their names, and which process each is."""

import os
from dataclasses import dataclass

import psutil
import ray

NAMESPACE = "gbm"

#: Seconds that a broker has to answer in: it only reckons.
BROKER_TIMEOUT_S = 0.5


@dataclass(frozen=True, slots=True)
class Process:
    """The process of an actor. created_at: seconds since 1970, so that a number that was given again is noticed."""

    node_id: str
    pid: int
    created_at: float


def this_process() -> Process:
    """The actor's process that calls this."""
    return Process(ray.get_runtime_context().get_node_id(), os.getpid(), psutil.Process().create_time())
