"""Checks that a port is free before anything starts."""

import errno
import socket

from storage.errors import BackupError


class PortOccupied(BackupError):
    """The port is in use or not permitted. Stop the process that uses it, or choose another port."""

    def __init__(self, host: str, port: int, setting: str, reason: str) -> None:
        super().__init__(host, port, setting, reason)
        self.host, self.port, self.setting, self.reason = host, port, setting, reason

    def __str__(self) -> str:
        return (
            f"The address {self.host}:{self.port} is not available ({self.reason}): stop the process that uses it, "
            f"or set {self.setting} to another port."
        )


def require_free(host: str, port: int, setting: str) -> None:
    """Raise PortOccupied if a server cannot listen on the port.

    Args:
        setting: name of the setting for this port, for the error.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT counts as free
        try:
            probe.bind((host, port))
        except OSError as exc:
            reason = "it is in use" if exc.errno == errno.EADDRINUSE else exc.strerror or str(exc)
            raise PortOccupied(host, port, setting, reason) from exc
