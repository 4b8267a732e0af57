"""The phase of one mailbox, what halts it, and its errors. Pure; actors/mailbox.py drives it."""

from dataclasses import replace

from actors.config import EvidenceConfig
from storage.model.records import MailboxRecord, MailboxUpdate, Mended, Phase

#: Seconds that no refused grant waits longer for its next try; what each try multiplies the wait by.
_LONGEST_REFUSAL_S, _REFUSAL_GROWTH = 86_400.0, 4.0


class MailboxHealth:
    """Phase, halt, doubt and errors of one mailbox, and the counts of what a reconciliation mended."""

    def __init__(self, record: MailboxRecord, evidence: EvidenceConfig) -> None:
        self._evidence = evidence
        self.halt = record.phase if record.phase in (Phase.STOPPED, Phase.REVOKED) else None
        self.phase = _going(record)  # in which it goes on, whatever halts it
        self.grant = 0  # how often it was renewed here: a refusal of an older one says nothing
        self.doubt: str | None = None  # what a second source contradicts
        self.ask_again_at: float | None = 0.0 if self.halt is Phase.REVOKED else None
        self._error = record.error
        self._refusals = 0  # of the grant, in a row
        self._mended = Mended()

    @property
    def shown(self) -> Phase:
        """The phase that people see."""
        return self.halt or self.phase

    @property
    def is_refused(self) -> bool:
        """Google refuses the grant."""
        return self.halt is Phase.REVOKED

    @property
    def error(self) -> str | None:
        """What is wrong now."""
        return self._error or self.doubt

    def begin(self) -> None:
        """A round begins: what was wrong with the last one is over."""
        if self.halt is None:
            self._error = None

    def heard(self) -> None:
        """Gmail answered."""
        if self.halt is None:
            self._error, self._refusals = None, 0

    def failed(self, error: str) -> None:
        """A call gave nothing."""
        if self.halt is None:
            self._error = error

    def resume(self) -> None:
        """A stop is over."""
        self.halt = None

    def stop(self) -> None:
        """It is told to stop."""
        self.halt = self.halt or Phase.STOPPED
        self.doubt = None

    def refused(self, error: str, now: float) -> None:
        """Google refuses the grant: a transient refusal looks like a lasting one, so it is tried again."""
        delay = min(self._evidence.grant_retry_s * _REFUSAL_GROWTH**self._refusals, _LONGEST_REFUSAL_S)
        self._refusals = min(self._refusals + 1, 20)
        self.halt, self._error, self.ask_again_at = Phase.REVOKED, error, now + delay

    def renewed(self) -> None:
        """The grant is good again, or is to be tried again."""
        if self.halt is Phase.REVOKED:
            self.halt = self._error = self.ask_again_at = None
            self.grant += 1

    def quarantined(self, error: str) -> None:
        """Left alone because of a defect of ours."""
        self.halt, self._error = Phase.STOPPED, f"quarantined after a defect of this release: {error}"

    def mended(self, **counts: int) -> None:
        """Something found so many differences (fields of `Mended`), which the next commits mend."""
        self._mended = self._mended.plus(Mended(**counts))

    def tally(self, deleted: int, revived: int) -> Mended | None:
        """What the next commit mends, with so many deletions and revivals; None: nothing."""
        tally = replace(self._mended, deleted=deleted, revived=revived)
        return tally if tally.total else None

    def committed(self, mended: Mended | None) -> None:
        """A commit that says so is in Postgres."""
        if mended is not None:
            self._mended = self._mended.plus(replace(mended, deleted=0, revived=0), -1)


def recorded(row: MailboxRecord | MailboxUpdate) -> tuple[object, ...]:
    """Fields whose change justifies a commit."""
    return row.phase, row.resume, row.cursor, row.pinned, row.estimate, row.error


def _going(record: MailboxRecord) -> Phase:
    if record.phase is Phase.STOPPED:
        return record.resume or Phase.FULL
    if record.phase is Phase.REVOKED:
        return record.resume or (Phase.NEW if record.cursor is None else Phase.CURRENT)
    return record.phase
