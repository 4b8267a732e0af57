"""Whether something can listen on a port, asked before anything is started."""

import errno
import socket

from storage.errors import BackupError


class PortOccupied(BackupError):
    """Nobody of ours can listen there. Stop who does, or choose another port."""

    def __init__(self, host: str, port: int, setting: str, reason: str) -> None:
        super().__init__(host, port, setting, reason)
        self.host, self.port, self.setting, self.reason = host, port, setting, reason

    def __str__(self) -> str:
        return (
            f"Nothing can listen on {self.host}:{self.port} ({self.reason}): stop what uses it, "
            f"or set {self.setting} to another port."
        )


def require_free(host: str, port: int, setting: str) -> None:
    """Raise PortOccupied unless one could listen there.

    Args:
        setting: the variable that chooses the port, for the error.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a port in TIME_WAIT is free
        try:
            probe.bind((host, port))
        except OSError as exc:
            reason = "it is in use" if exc.errno == errno.EADDRINUSE else exc.strerror or str(exc)
            raise PortOccupied(host, port, setting, reason) from exc
