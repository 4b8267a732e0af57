"""Errors in the address given to the simulator."""

from storage.errors import BackupError


class PortOccupied(BackupError):
    """Another process listens there. Choose another port."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(host, port, reason)
        self.host, self.port, self.reason = host, port, reason

    def __str__(self) -> str:
        return (
            f"The simulator cannot listen on {self.host}:{self.port} ({self.reason}): "
            "choose another port, or 0 for any free one."
        )
