"""What a replica is told, and the path prefix of each application. Imported without the applications."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from actors.config import BackupConfig
from serve.config import Application, ServeConfig
from storage.db.engines import Databases
from storage.files.blobs import open_blobs

#: Path prefix of each application; the longest prefix that matches a path receives the request.
PREFIXES: Mapping[Application, str] = {
    "auth": "/api/v1/auth",
    "emails": "/api/v1",
    "sync": "/api/v1/sync",
    "analytics": "/api/v1/analytics",
    "push": "/api/v1/push",
    "gateway": "/",
}


@dataclass(frozen=True, slots=True)
class CampaignsConfig:
    """Address to which campaign jobs are submitted, and their command without the campaign's id."""

    dashboard: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Configuration of a replica, sent to its process as one frozen value."""

    backup: BackupConfig
    serve: ServeConfig
    campaigns: CampaignsConfig | None = None
    #: Shared secret that the proxy sends with every request; None: no proxy.
    proof: SecretStr | None = None


def require_usable(settings: Settings) -> None:
    """Open what a replica opens in its constructor, and close it. Connects to nothing.

    Raises:
        KeyMissing, KeyInvalid, KeyExposed, InvalidDsn, ArchiveUnusable.
    """
    settings.backup.sealer()
    Databases(settings.backup.postgres).close()
    open_blobs(settings.backup.archive.uri)
