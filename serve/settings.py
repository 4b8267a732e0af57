"""What a replica is told, and the path prefix of each application. Imported without the applications."""

import pickle
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
#: The context of a replica's sealed settings.
_IN_TRANSIT = "settings of the gateway in transit"


@dataclass(frozen=True, slots=True)
class CampaignsConfig:
    """Address to which jobs are submitted, and the commands of a campaign's and a restore's, without the id."""

    dashboard: str
    command: tuple[str, ...]
    restore_command: tuple[str, ...] = ()
    restores_at_once: int = 4


@dataclass(frozen=True, slots=True)
class Settings:
    """Configuration of a replica, sent to its process as one frozen value."""

    backup: BackupConfig
    serve: ServeConfig
    campaigns: CampaignsConfig | None = None
    #: Shared secret that the proxy sends with every request; None: no proxy.
    proof: SecretStr | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """All but `backup` is sealed: Ray keeps and logs what travels."""
        rest = pickle.dumps((self.serve, self.campaigns, self.proof))
        return _opened, (self.backup, self.backup.sealer().seal(rest, _IN_TRANSIT))


def _opened(backup: BackupConfig, sealed: bytes) -> Settings:
    rest = pickle.loads(backup.sealer().open(sealed, _IN_TRANSIT))  # noqa: S301 - sealed by our own code
    return Settings(backup, *rest)


def require_usable(settings: Settings) -> None:
    """Open what a replica opens in its constructor, and close it. Connects to nothing.

    Raises:
        KeyMissing, KeyInvalid, KeyExposed, InvalidDsn, ArchiveUnusable.
    """
    settings.backup.sealer()
    Databases(settings.backup.postgres).close()
    open_blobs(settings.backup.archive.uri)
