"""GBM_HOME: its folders, the record of the running cluster, and the lock that permits only one."""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from storage.errors import BackupError


class HomeUnusable(BackupError):
    """GBM_HOME cannot be used. Choose another folder, or correct its permissions."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"The folder {self.path} cannot be used ({self.reason}): set GBM_HOME to a folder of your own."


class AlreadyRunning(BackupError):
    """A cluster runs on this home already. Use it, or stop it first."""

    def __init__(self, home: str, pid: int) -> None:
        super().__init__(home, pid)
        self.home, self.pid = home, pid

    def __str__(self) -> str:
        return f"A cluster runs on {self.home} already (process {self.pid}): use it, or stop it with `gbm down`."


class NotRunning(BackupError):
    """No cluster runs on this home. Start one."""

    def __init__(self, home: str) -> None:
        super().__init__(home)
        self.home = home

    def __str__(self) -> str:
        return f"No cluster runs on {self.home}: start it with `gbm up`."


@dataclass(frozen=True, slots=True)
class ExistingCluster:
    """A Ray cluster that runs already and is no part of a home: addresses of its GCS, its dashboard and its gateway.

    gateway: "" if it is not known.
    """

    address: str
    dashboard: str
    gateway: str = ""


class Home:
    """Paths below GBM_HOME; folders are made on first use, private to the user except for the way through."""

    def __init__(self, root: Path, existing: ExistingCluster | None = None) -> None:
        """`existing`: the cluster to use instead of one that runs on this home."""
        self.root, self.existing = root, existing

    def prepare(self) -> None:
        """Create the folder. Others may traverse it (PostgreSQL runs as another account under root), but not list it.

        Raises:
            HomeUnusable.
            HomeNewer, HomeVersionDamaged: nothing was touched.
        """
        # Imported here because other commands must not wait for it.
        from cluster.upgrade.home_version import refuse_newer
        from storage.db.migrate import newest_revisions

        refuse_newer(self.root, newest_revisions())
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if self.root.stat().st_uid == os.geteuid():
                self.root.chmod(0o711)
            self.run.mkdir(mode=0o700, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as exc:
            raise HomeUnusable(str(self.root), exc.strerror or str(exc)) from exc

    @property
    def postgres(self) -> Path:
        """The embedded server's data."""
        return self.root / "postgres"

    @property
    def words(self) -> Path:
        """Unpacked word indexes; may be removed at any time."""
        return self.root / "words"

    @property
    def archive(self) -> Path:
        """The segments, unless GBM_ARCHIVE__URI says otherwise."""
        return self.root / "archive"

    @property
    def sealing_key(self) -> Path:
        """The key that seals credentials."""
        return self.root / "sealing.key"

    @property
    def run(self) -> Path:
        """Files of the running cluster."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """Logs of background processes."""
        return self.root / "logs"

    def cluster_name(self) -> str:
        """The permanent name of this home's clusters: a cluster takes over its predecessor's leases at once."""
        path = self.root / "cluster.id"
        if not path.exists():
            fresh = path.with_suffix(f".{uuid.uuid4().hex}")
            fresh.write_text(f"local-{uuid.uuid4().hex[:12]}\n")
            try:
                os.link(fresh, path)  # one of two simultaneous processes wins
            except FileExistsError:
                fresh.unlink()
                return self.cluster_name()
            fresh.unlink()
        return path.read_text().strip()

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Hold the lock of this home until the block ends; the kernel releases it when the process dies.

        Raises:
            AlreadyRunning.
        """
        descriptor = os.open(self.run / "cluster.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise AlreadyRunning(str(self.root), int(os.pread(descriptor, 20, 0) or b"0")) from exc
            self.forget()  # delete a killed cluster's record: a process that waits for this cluster would read it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def owner_pid(self) -> int | None:
        """The process that holds the lock; None when no cluster runs."""
        try:
            descriptor = os.open(self.run / "cluster.lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(os.pread(descriptor, 20, 0) or b"0")
        else:
            return None
        finally:
            os.close(descriptor)

    def record(self, facts: dict[str, object]) -> None:
        """Record the URLs and ports of the running cluster for other processes."""
        path = self.run / "cluster.json"
        fresh = path.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(facts))
        fresh.chmod(0o600)
        fresh.replace(path)

    def recorded(self) -> dict[str, object]:
        """The record of the running cluster.

        Raises:
            NotRunning.
        """
        if self.existing is not None:
            facts: dict[str, object] = {"ray": self.existing.address, "dashboard": self.existing.dashboard}
            return {**facts, "api": self.existing.gateway} if self.existing.gateway else facts
        path = self.run / "cluster.json"
        if self.owner_pid() is None or not path.exists():
            raise NotRunning(str(self.root))
        recorded: dict[str, object] = orjson.loads(path.read_bytes())
        return recorded

    def forget(self) -> None:
        """Delete the record, because the cluster ended."""
        (self.run / "cluster.json").unlink(missing_ok=True)
