"""The phase of one mailbox, what halts it, and its errors. Pure; actors/mailbox.py drives it."""

from dataclasses import replace

from actors.config import EvidenceConfig
from storage.model.records import MailboxRecord, MailboxUpdate, Mended, Phase

#: Maximum seconds before a refused grant is retried; the factor by which each retry multiplies the delay.
_LONGEST_REFUSAL_S, _REFUSAL_GROWTH = 86_400.0, 4.0


class MailboxHealth:
    """Phase, halt, doubt and errors of one mailbox, and the counts of what a reconciliation mended."""

    def __init__(self, record: MailboxRecord, evidence: EvidenceConfig) -> None:
        self._evidence = evidence
        self.halt = record.phase if record.phase in (Phase.STOPPED, Phase.REVOKED) else None
        self.phase = _going(record)  # kept while the mailbox is halted
        self.grant = 0  # number of renewals: a refusal of an older grant is ignored
        self.doubt: str | None = None  # the contradiction of a second source
        self.ask_again_at: float | None = 0.0 if self.halt is Phase.REVOKED else None
        self._error = record.error
        self._refusals = 0  # consecutive refusals of the grant
        self._mended = Mended()

    @property
    def shown(self) -> Phase:
        """The phase for display."""
        return self.halt or self.phase

    @property
    def is_refused(self) -> bool:
        """Whether Google refuses the grant."""
        return self.halt is Phase.REVOKED

    @property
    def error(self) -> str | None:
        """The present error."""
        return self._error or self.doubt

    def begin(self) -> None:
        """Clear the previous round's error, because a round begins."""
        if self.halt is None:
            self._error = None

    def heard(self) -> None:
        """Record that Gmail answered."""
        if self.halt is None:
            self._error, self._refusals = None, 0

    def failed(self, error: str) -> None:
        """Record a failed call."""
        if self.halt is None:
            self._error = error

    def resume(self) -> None:
        """Resume after a stop."""
        self.halt = None

    def stop(self) -> None:
        """Record a stop."""
        self.halt = self.halt or Phase.STOPPED
        self.doubt = None

    def refused(self, error: str, now: float) -> None:
        """Record that Google refuses the grant; it is retried, because a transient refusal looks like a lasting one."""
        delay = min(self._evidence.grant_retry_s * _REFUSAL_GROWTH**self._refusals, _LONGEST_REFUSAL_S)
        self._refusals = min(self._refusals + 1, 20)
        self.halt, self._error, self.ask_again_at = Phase.REVOKED, error, now + delay

    def renewed(self) -> None:
        """Try the grant again: it was renewed, or a retry is due."""
        if self.halt is Phase.REVOKED:
            self.halt = self._error = self.ask_again_at = None
            self.grant += 1

    def quarantined(self, error: str) -> None:
        """Record that the mailbox is not processed because of a defect of this program."""
        self.halt, self._error = Phase.STOPPED, f"quarantined after a defect of this release: {error}"
        self._mended = Mended()  # only counts, which must not be what the next commit is refused for

    def mended(self, **counts: int) -> None:
        """Record differences (by field of `Mended`) that were found and that the next commits repair."""
        self._mended = self._mended.plus(Mended(**counts))

    def tally(self, deleted: int, revived: int) -> Mended | None:
        """The differences that the next commit repairs, with these deletions and revivals; None: none."""
        tally = replace(self._mended, deleted=deleted, revived=revived)
        return tally if tally.total else None

    def committed(self, mended: Mended | None) -> None:
        """Record that a commit with these repairs is in Postgres."""
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
