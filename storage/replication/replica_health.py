"""Decides from observations which replicas of one database may be read.

No I/O, no clock: storage/replication/routing.py queries the servers and passes seconds of a monotonic clock. A replica
is ready when its last check succeeded: a standby of the primary's system and timeline within the lag limits. Lag in
seconds is the age of the newest position of the primary that the replica has replayed, so the replicas of an idle
primary have no lag. Not thread-safe: the caller holds a lock.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from storage.replication.session_token import WalPosition

#: Number of the primary's positions kept to compute lag in seconds.
_SAMPLES = 300


@dataclass(frozen=True, slots=True)
class Observed:
    """State of a server. position: the replayed position of a standby, the written position of a primary."""

    standby: bool
    position: WalPosition


@dataclass(frozen=True, slots=True)
class Health:
    """Health of a replica. state: "ready", or why it is not read."""

    name: str
    state: str
    lag_bytes: int | None = None
    lag_s: float | None = None

    @property
    def ready(self) -> bool:
        """Whether the replica may be read."""
        return self.state == "ready"


class Rotation:
    """The replicas of one database, by index."""

    def __init__(
        self, names: Sequence[str], lag_bytes: int, lag_s: float, rest_s: float, trusting: bool = False
    ) -> None:
        """rest_s: least time that a replica is not read after a failed read.

        trusting: read standbys although the primary was never reached to compare them with.
        """
        self._trusting = trusting
        self._lag_bytes, self._lag_s, self._rest_s = lag_bytes, lag_s, rest_s
        self._health = [Health(name, "not checked yet") for name in names]
        self._rests_until = [-float("inf")] * len(names)
        self._primary: WalPosition | None = None
        self._samples: deque[tuple[float, int]] = deque(maxlen=_SAMPLES)
        self._turn = 0

    def health(self) -> list[Health]:
        """The latest health of every replica."""
        return list(self._health)

    @property
    def system(self) -> int | None:
        """The primary's system identifier; None: never reached."""
        return self._primary.system if self._primary else None

    def primary(self, observed: Observed, now: float) -> None:
        """Record the primary's state. A primary that is now a standby (demoted) is ignored."""
        if observed.standby:
            return
        if self._changed(observed.position):
            self._samples.clear()
        self._primary = observed.position
        self._samples.append((now, observed.position.lsn))

    def _changed(self, position: WalPosition) -> bool:
        known = self._primary
        return known is None or (known.system, known.timeline) != (position.system, position.timeline)

    def replica(self, index: int, observed: Observed, now: float) -> None:
        """Record a replica's state."""
        name, primary = self._health[index].name, self._primary
        if primary is None and self._trusting:
            rests = now < self._rests_until[index]
            state = "ready" if observed.standby else "not a replica: the primary itself, or promoted"
            self._health[index] = Health(name, self._health[index].state if rests else state)
            return
        if primary is None:
            self._health[index] = Health(name, "the primary was never reached, so its replicas cannot be verified")
            return
        if observed.position.system != primary.system:
            self._health[index] = Health(name, "a replica of another cluster")
            return
        if not observed.standby:
            self._health[index] = Health(name, "not a replica: the primary itself, or promoted")
            return
        lag_bytes = max(0, primary.lsn - observed.position.lsn)
        lag_s = self._lag(observed.position.lsn, now)
        state = "ready"
        if observed.position.timeline != primary.timeline:
            state = "on another timeline than the primary"
        elif lag_bytes > self._lag_bytes or lag_s > self._lag_s:
            state = "lagging"
        elif now < self._rests_until[index]:
            state = self._health[index].state
        self._health[index] = Health(name, state, lag_bytes, lag_s)

    def failed(self, index: int, reason: str, now: float) -> None:
        """Record a failed check or read of a replica."""
        self._health[index] = Health(self._health[index].name, reason)
        self._rests_until[index] = now + self._rest_s

    def next(self) -> int | None:
        """The next replica to read, in rotation; None: no replica is ready, read the primary."""
        count = len(self._health)
        for step in range(count):
            index = (self._turn + step) % count
            if self._health[index].ready:
                self._turn = index + 1
                return index
        return None

    def _lag(self, lsn: int, now: float) -> float:
        """Lag in seconds; 0 when the replica has replayed the primary's latest known position."""
        if not self._samples or lsn >= self._samples[-1][1]:
            return 0.0
        reached = [at for at, written in self._samples if written <= lsn]
        return now - (reached[-1] if reached else self._samples[0][0])
