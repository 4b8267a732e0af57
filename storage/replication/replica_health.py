"""Which replicas of one database may be read from, told what was observed of them.

No I/O, no clock: storage/replication/routing.py asks the servers and passes seconds of a monotonic clock. A replica is
in the rotation when its last check was good: a standby of the primary's system and timeline that is not too far behind.
Lag in seconds is the age of the newest place of the primary that the replica has replayed, so an idle primary's
replicas have none. Not safe for threads: the caller holds a lock.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from storage.replication.session_token import WalPosition

#: Places of the primary that are remembered to tell lag in seconds.
_SAMPLES = 300


@dataclass(frozen=True, slots=True)
class Observed:
    """What a server said. mark: replayed, of a standby; written, of a primary."""

    standby: bool
    mark: WalPosition


@dataclass(frozen=True, slots=True)
class Health:
    """A replica as last known. state: "ready", or why it is not read from."""

    name: str
    state: str
    lag_bytes: int | None = None
    lag_s: float | None = None

    @property
    def ready(self) -> bool:
        """Whether it is read from."""
        return self.state == "ready"


class Rotation:
    """The replicas of one database, by index."""

    def __init__(
        self, names: Sequence[str], lag_bytes: int, lag_s: float, rest_s: float, trusting: bool = False
    ) -> None:
        """rest_s: how long a replica that failed a reader stays away at least.

        trusting: read from a standby although the primary was never reached to compare it with.
        """
        self._trusting = trusting
        self._lag_bytes, self._lag_s, self._rest_s = lag_bytes, lag_s, rest_s
        self._health = [Health(name, "not checked yet") for name in names]
        self._rests_until = [-float("inf")] * len(names)
        self._primary: WalPosition | None = None
        self._samples: deque[tuple[float, int]] = deque(maxlen=_SAMPLES)
        self._turn = 0

    def health(self) -> list[Health]:
        """Every replica as last known."""
        return list(self._health)

    @property
    def system(self) -> int | None:
        """The primary's system identifier, once it was reached."""
        return self._primary.system if self._primary else None

    def primary(self, observed: Observed, now: float) -> None:
        """The primary said this. One that is a standby itself (demoted) tells nothing."""
        if observed.standby:
            return
        if self._changed(observed.mark):
            self._samples.clear()
        self._primary = observed.mark
        self._samples.append((now, observed.mark.lsn))

    def _changed(self, mark: WalPosition) -> bool:
        known = self._primary
        return known is None or (known.system, known.timeline) != (mark.system, mark.timeline)

    def replica(self, index: int, observed: Observed, now: float) -> None:
        """A replica said this."""
        name, primary = self._health[index].name, self._primary
        if primary is None and self._trusting:
            rests = now < self._rests_until[index]
            state = "ready" if observed.standby else "no replica: the primary itself, or promoted"
            self._health[index] = Health(name, self._health[index].state if rests else state)
            return
        if primary is None:
            self._health[index] = Health(name, "the primary was never reached, so nobody knows whose replica it is")
            return
        if observed.mark.system != primary.system:
            self._health[index] = Health(name, "a replica of another cluster")
            return
        if not observed.standby:
            self._health[index] = Health(name, "no replica: the primary itself, or promoted")
            return
        lag_bytes = max(0, primary.lsn - observed.mark.lsn)
        lag_s = self._lag(observed.mark.lsn, now)
        state = "ready"
        if observed.mark.timeline != primary.timeline:
            state = "on another timeline than the primary"
        elif lag_bytes > self._lag_bytes or lag_s > self._lag_s:
            state = "lagging"
        elif now < self._rests_until[index]:
            state = self._health[index].state
        self._health[index] = Health(name, state, lag_bytes, lag_s)

    def failed(self, index: int, reason: str, now: float) -> None:
        """A check or a reader failed on it."""
        self._health[index] = Health(self._health[index].name, reason)
        self._rests_until[index] = now + self._rest_s

    def next(self) -> int | None:
        """Whose turn it is; None: the primary's, because no replica is ready."""
        count = len(self._health)
        for step in range(count):
            index = (self._turn + step) % count
            if self._health[index].ready:
                self._turn = index + 1
                return index
        return None

    def _lag(self, lsn: int, now: float) -> float:
        """0 when it has replayed all that was seen of the primary."""
        if not self._samples or lsn >= self._samples[-1][1]:
            return 0.0
        reached = [at for at, written in self._samples if written <= lsn]
        return now - (reached[-1] if reached else self._samples[0][0])
