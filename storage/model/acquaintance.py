"""What a mailbox knew of the writer of a message when the message arrived."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """What the mailbox knew of a message's writer when it arrived.

    received_before: earlier messages of the same address; 0: first contact. written_before: earlier messages of the
    owner to that address. written_in_thread: earlier messages of the owner in the thread. is_same_domain: another
    address in the domain of the mailbox's own, which itself anybody can write as the sender. is_sent: by the owner.
    """

    received_before: int
    written_before: int
    written_in_thread: int
    is_same_domain: bool
    is_sent: bool

    def evidence(self, if_known: str | None) -> list[str]:
        """Reasons to assume that the owner knows the writer, in words; empty: none.

        Args:
            if_known: "personal" where the writer's domain serves everybody, so that it is no evidence.
        """
        if self.is_sent:
            return ["you wrote it"]
        reasons = []
        if self.written_before:
            reasons.append(f"messages that you wrote to the sender before: {self.written_before}")
        if self.written_in_thread:
            reasons.append(f"messages that you wrote in the thread before: {self.written_in_thread}")
        if self.is_same_domain and if_known == "work":
            reasons.append("the sender is in your domain")
        return reasons

    def doubt(self) -> str:
        """The reason against, in words, where there is no evidence."""
        return "you never wrote to the sender" if self.received_before else "first contact"
