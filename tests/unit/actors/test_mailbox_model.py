"""One mailbox against models of Gmail and Postgres, driven by Hypothesis: any order of events, one step at a time.

The simulation (simulation/) runs the whole engine on a schedule; this finds the shortest history that breaks one
mailbox. Planted in actors/mailbox.py, it finds a cursor that passes messages which are still owed, and mail that was
lost before its segment and is not asked for again.
"""

from dataclasses import replace
from random import Random
from typing import cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.config import EvidenceConfig, RetryConfig
from actors.decisions import (
    Call,
    Compare,
    Confirm,
    Confirmed,
    Failure,
    Fetch,
    ListPage,
    Mode,
    Pin,
    ReadHistory,
    ReadLabels,
    Watch,
)
from actors.mailbox import Mailbox
from actors.reconcile import differences
from storage.model.records import Commit, Phase, SegmentManifest
from tests.unit.actors.simulation import invariants
from tests.unit.actors.simulation.deviations import Deviations
from tests.unit.actors.simulation.gmail import LABELS, Copy, GmailBox
from tests.unit.actors.simulation.postgres import ModelPostgres
from tests.unit.actors.simulation.world import World

USER = 1
RETRY = RetryConfig(attempts=2, first_delay_s=1.0, failed_delay_s=20.0, longest_delay_s=100.0)
EVIDENCE = EvidenceConfig(gone_after_s=300.0, check_delay_s=20.0, suspect_minimum=4, suspect_s=100.0, overlap_s=60.0)
#: Steps that a mailbox may need to come to rest.
_PATIENCE = 5000


class MailboxModel(RuleBasedStateMachine):
    """Everything that can happen to a mailbox, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.boxes = {USER: GmailBox(USER, Random(0))}
        self.postgres = ModelPostgres()
        self.postgres.open_mailbox(USER)
        self.deviations = Deviations(0, 0.0, 0.0)
        self.segments = 0
        self.call: Call | None = None
        self.out: list[Fetch] = []
        self.held: list[list[Copy]] = []
        self._open()
        self.mail_arrives(9)
        self.mailbox.request(Mode.FULL, self.now)

    @property
    def box(self) -> GmailBox:
        """The mailbox at Gmail."""
        return self.boxes[USER]

    # ---- Gmail changes

    @rule(count=st.integers(1, 9))
    def mail_arrives(self, count: int) -> None:
        for _ in range(count):
            self.box.arrive()

    @rule(changes=st.lists(st.sampled_from(["label", "label", "deletion"]), min_size=1, max_size=4))
    def messages_change(self, changes: list[str]) -> None:
        for change in changes:
            if change == "label":
                self.box.relabel()
            else:
                self.box.delete()

    # ---- trouble

    @rule(kind=st.sampled_from(["history is forgotten", "told to stop", "the owner dies", "held mail is lost"]))
    def trouble(self, kind: str) -> None:
        if kind == "history is forgotten":
            self.box.expire()
        elif kind == "told to stop":
            self.mailbox.stop()
        elif kind == "the owner dies":
            self._open()
        else:
            for copies in self.held:
                self.mailbox.returned([copy.message_id for copy in copies], self.now + 1)
            self.held = []

    # ---- asked

    @rule(mode=st.sampled_from(Mode))
    def asked(self, mode: Mode) -> None:
        self.mailbox.renewed()
        self.mailbox.request(mode, self.now)

    @rule(seconds=st.sampled_from([0.5, 5.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        if self.mailbox.is_due(self.now):
            self.mailbox.renewed()
            self.mailbox.request(Mode.INCREMENTAL, self.now)

    # ---- calls

    @rule()
    def a_call_goes_out(self) -> None:
        if self.call is None and (due := self.mailbox.next_call(ahead=12)) is not None:
            self.mailbox.called(due)
            self.call = due

    @precondition(lambda self: self.call is not None)
    @rule(outcome=st.sampled_from(["answered", "answered", "answered", "failed", "refused page", "revoked"]))
    def a_call_comes_back(self, outcome: str) -> None:
        assert self.call is not None
        call, self.call = self.call, None
        mailbox = self.mailbox
        if not mailbox.answered(call):
            return
        if outcome == "revoked":
            mailbox.revoked("revoked", self.now)
        elif outcome == "failed":
            mailbox.call_failed("did not answer")
        elif outcome == "refused page" and isinstance(call, ListPage | ReadHistory) and call.page_token:
            mailbox.page_refused("no such page")
        else:
            self._answer(call)
        mailbox.begin_again(self.now)

    def _answer(self, call: Call) -> None:
        mailbox, box, postgres = self.mailbox, self.box, self.postgres
        if isinstance(call, Pin):
            mailbox.pinned(box.history_id, len(box.alive()), LABELS)
        elif isinstance(call, ListPage):
            ids, token = box.list_page(call.page_token, call.label_id)
            mailbox.listed(() if call.label_id else postgres.unknown(USER, ids), token, ids)
        elif isinstance(call, Confirm):
            added, deleted = box.since(call.since, call.label_id)
            mailbox.confirmed(Confirmed(box.total(call.label_id), tuple(added), tuple(deleted)))
        elif isinstance(call, ReadLabels):
            mailbox.labels_read(LABELS, self.now)
        elif isinstance(call, Compare):
            stored = postgres.stored_labels(USER, call.pinned)
            mailbox.compared(differences(USER, call.pinned, call.listed, stored), self.now)
        elif isinstance(call, ReadHistory):
            page = box.history_page(call.start, call.page_token)
            if page is None:
                mailbox.history_expired()
            else:
                added, changed = page
                unknown, returned = postgres.look(USER, added)
                mailbox.changed(replace(changed, unknown=tuple(unknown), returned=tuple(returned)), self.now)
        else:
            assert isinstance(call, Watch)
            mailbox.watched()

    # ---- fetches

    @rule(count=st.integers(1, 6))
    def a_fetch_goes_out(self, count: int) -> None:
        if self.mailbox.fetchable(self.now):
            fetch = self.mailbox.take(count)
            keys = set(fetch.message_ids)
            assert keys and len(keys) == len(fetch.message_ids) <= count
            assert not any(keys & set(out.message_ids) for out in self.out), "a message is fetched twice at a time"
            self.out.append(fetch)

    @precondition(lambda self: self.out)
    @rule(position=st.integers(0, 9), arrived=st.integers(0, 6), retryable=st.booleans(), lost=st.booleans())
    def a_fetch_comes_back(self, position: int, arrived: int, retryable: bool, lost: bool) -> None:
        """So many of the messages are read (six are all), the others fail; or nothing came of it."""
        fetch = self.out.pop(position % len(self.out))
        if lost:
            self.mailbox.returned(fetch.message_ids, self.now + 1)
            return
        asked, missed = fetch.message_ids[:arrived], fetch.message_ids[arrived:]
        copies = [copy for key in asked if (copy := self.box.get(key)) is not None]
        landed = [copy.message_id for copy in copies]
        gone = [key for key in asked if key not in landed]
        kept = self.mailbox.fetched(landed, gone, len(copies), self.now)
        copies = [copy for copy in copies if copy.message_id in kept]
        for key in missed:
            self.mailbox.failed(Failure(key, "wrong", retryable, charged=True), self.now)
        if copies:
            self.held.append(copies)

    # ---- commits

    @rule(told=st.booleans(), with_mail=st.booleans())
    def a_commit(self, told: bool, with_mail: bool) -> None:
        """A commit takes effect; the owner hears of it, or dies just before."""
        copies = self.held.pop(0) if with_mail and self.held else []
        plan = self.mailbox.plan([copy.message_id for copy in copies])
        self.segments += bool(copies)
        segment = SegmentManifest(f"segment {self.segments}", 0, self.postgres.epochs[0], len(copies), 1, 1, 1, 0, ())
        lease = f"owner {self.postgres.epochs[0]}"
        commit = Commit(
            0,
            lease,
            self.postgres.epochs[0],
            segment if copies else None,
            (plan.update,),
            plan.changes,
            plan.failed,
            plan.settled,
        )
        self.postgres.commit(commit, copies)  # AlreadyStored here is a message that was stored twice
        if told:
            self.mailbox.committed(plan)
            self.mailbox.begin_again(self.now)
        else:
            self._open()

    def _open(self) -> None:
        """A new owner: what it knows is in Postgres."""
        self.postgres.acquire()
        record = self.postgres.mailboxes[USER]
        self.mailbox = Mailbox(record, self.postgres.failed_of(USER), RETRY, EVIDENCE)
        self.call, self.out, self.held = None, [], []
        if record.phase in (Phase.FULL, Phase.RECONCILE):
            self.mailbox.request(Mode.FULL, self.now)

    @rule(steps=st.lists(st.sampled_from(["call", "call", "fetch", "land", "commit"]), min_size=3, max_size=20))
    def all_goes_well_for_a_while(self, steps: list[str]) -> None:
        """Without this, chance seldom gets as far as a second page."""
        if self.mailbox.idle:
            self.asked(Mode.INCREMENTAL)
        for step in steps:
            if step == "call":
                self._call_and_answer()
            elif step == "fetch":
                self.a_fetch_goes_out(6)
            elif step == "land" and self.out:
                self.a_fetch_comes_back(0, 6, retryable=True, lost=False)
            elif step == "commit":
                self.a_commit(told=True, with_mail=True)

    # ---- always, and in the end

    @invariant()
    def nothing_is_lost(self) -> None:
        invariants.always(cast(World, self))

    def teardown(self) -> None:
        """Once nothing goes wrong any more, all of Gmail's mail is stored as Gmail has it."""
        self.postgres.open_mailbox(USER)
        self.box.relisted = True  # by this full sync, which may begin behind the last changes of a deleted message
        self.asked(Mode.FULL)
        self._settle()
        self.asked(Mode.INCREMENTAL)
        self._settle()
        invariants.at_rest(cast(World, self))

    def _settle(self) -> None:
        steps = 0
        while self._is_busy() or self.postgres.failed:
            steps += 1
            assert steps < _PATIENCE, f"no rest: {self.mailbox.phase}"
            if not self._is_busy():
                self.time_passes(200.0)  # filed messages come due
            self.now += 1
            self._call_and_answer()
            self.a_fetch_goes_out(6)
            if self.out:
                self.a_fetch_comes_back(0, 6, retryable=True, lost=False)
            self.a_commit(told=True, with_mail=True)

    def _is_busy(self) -> bool:
        return bool(self.mailbox.active or self.call or self.out or self.held)

    def _call_and_answer(self) -> None:
        self.a_call_goes_out()
        if self.call is not None:
            self.a_call_comes_back("answered")


MailboxModel.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None, derandomize=True)
TestMailboxModel = MailboxModel.TestCase
