"""Errors that any part of the gateway raises."""

import math

from storage.errors import BackupError


class RateLimited(BackupError):
    """The caller exceeds a rate limit. Wait `wait_s` seconds before the next request."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s

    def __str__(self) -> str:
        return f"Too many requests: wait {math.ceil(self.wait_s)} s, as the Retry-After header says."


class Overloaded(BackupError):
    """This replica is at its capacity. Try again shortly."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "This service is too busy: try again shortly."
