"""The states of one mailbox's round and its transitions: a table, checked at each step. Pure.

    IDLE -> PINNING -> LISTING -> CONFIRMING -> LISTED -> FOLLOWING -> FOLLOWED -> IDLE
    IDLE -> FOLLOWING -> FOLLOWED -> IDLE

A reconciliation lists each label, too, and compares before LISTED. A listing that a second source contradicts
begins again. actors/mailbox.py makes the transitions.
"""

from collections.abc import Mapping
from enum import StrEnum, auto


class State(StrEnum):
    """The state of a round."""

    IDLE = auto()
    PINNING = auto()  # reads the history id before the listing
    LISTING = auto()  # reads pages of ids
    CONFIRMING = auto()  # asks a second source for the number of messages
    COMPARING = auto()  # compares archive and listing, once the backlog is empty
    LISTED = auto()  # fetches the backlog; the commit makes the mailbox complete up to the pin
    FOLLOWING = auto()  # reads pages of history
    FOLLOWED = auto()  # fetches the backlog; the commit ends the round


class Event(StrEnum):
    """An event of a round."""

    FULL_ASKED = auto()
    CHANGES_ASKED = auto()
    PINNED = auto()
    PAGE = auto()
    LAST_PAGE = auto()
    LISTING_BROKE = auto()  # a page token was refused or repeats: list again
    IDS_DISAGREE = auto()
    LABEL_DISAGREES = auto()
    LABEL_FOLLOWS = auto()
    ALL_AGREE = auto()  # of a reconciliation
    IDS_AGREE = auto()  # of a full sync, which needs no comparison
    COMPARED = auto()
    LISTING_STORED = auto()
    HISTORY_BROKE = auto()
    HISTORY_EXPIRED = auto()
    ROUND_STORED = auto()
    STOPPED = auto()


TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.IDLE: {Event.FULL_ASKED: State.PINNING, Event.CHANGES_ASKED: State.FOLLOWING},
    State.PINNING: {Event.PINNED: State.LISTING, Event.STOPPED: State.IDLE},
    State.LISTING: {
        Event.PAGE: State.LISTING,
        Event.LAST_PAGE: State.CONFIRMING,
        Event.LISTING_BROKE: State.PINNING,
        Event.STOPPED: State.IDLE,
    },
    State.CONFIRMING: {
        Event.IDS_DISAGREE: State.PINNING,
        Event.LABEL_DISAGREES: State.LISTING,
        Event.LABEL_FOLLOWS: State.LISTING,
        Event.ALL_AGREE: State.COMPARING,
        Event.IDS_AGREE: State.LISTED,
        Event.STOPPED: State.IDLE,
    },
    State.COMPARING: {Event.COMPARED: State.LISTED, Event.STOPPED: State.IDLE},
    State.LISTED: {Event.LISTING_STORED: State.FOLLOWING, Event.STOPPED: State.IDLE},
    State.FOLLOWING: {
        Event.PAGE: State.FOLLOWING,
        Event.LAST_PAGE: State.FOLLOWED,
        Event.HISTORY_BROKE: State.FOLLOWING,
        Event.HISTORY_EXPIRED: State.PINNING,
        Event.STOPPED: State.IDLE,
    },
    State.FOLLOWED: {Event.ROUND_STORED: State.IDLE, Event.STOPPED: State.IDLE},
}


class Round:
    """The round of one mailbox."""

    def __init__(self) -> None:
        self.state = State.IDLE

    @property
    def idle(self) -> bool:
        """Whether no round is in progress."""
        return self.state is State.IDLE

    def step(self, event: Event) -> None:
        """Make the table's transition.

        Raises:
            ValueError: the event cannot happen in this state: a defect of the caller.
        """
        target = TRANSITIONS[self.state].get(event)
        if target is None:
            raise ValueError(f"a round that is {self.state} cannot take {event}")
        self.state = target
