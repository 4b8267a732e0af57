"""What a mailbox knew of a writer is what a plain count over the messages that came before gives, at any time."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from random import Random

import pytest

from storage.model.acquaintance import Acquaintance
from storage.model.message_id import to_hex
from storage.model.records import THREAD
from storage.reader import MailboxReader
from tests.integration.storage.factory import NOON, Mail, Shard

PEOPLE = ("ann@a.example", "bob@b.example", "colleague@example.com", "Eve@E.example")


@dataclass(frozen=True)
class Letter:
    mail: Mail
    thread_id: int
    stored_at: datetime

    @property
    def sender(self) -> str:
        return self.mail.sender.rpartition("<")[2].rstrip(">").lower()

    @property
    def recipients(self) -> set[str]:
        return {each.rpartition("<")[2].rstrip("> ").lower() for each in self.mail.to.split(",")}

    @property
    def place(self) -> tuple[datetime, int]:
        return self.mail.received_at, self.mail.message_id


def letters(shard: Shard, user: int, random: Random) -> list[Letter]:
    """Mail in three segments, in an order that is not that of its dates; a thread is mended later."""
    made: list[Letter] = []
    for _ in range(3):
        mails: list[Mail] = []
        for _ in range(random.randint(3, 8)):
            number = len(made) + len(mails) + 1
            at = NOON + timedelta(minutes=random.randint(0, 5))
            people = [*PEOPLE, f"user{user}@example.com"]
            to = ", ".join(f"Name <{each}>" for each in random.sample(people, 2))
            sent = random.random() < 0.5
            sender = f"user{user}@example.com" if sent and random.random() < 0.9 else random.choice(people)
            mails.append(Mail(number, sender=f"A <{sender}>", to=to, labels=("SENT",) if sent else (), received_at=at))
        shard.store(user, *mails)
        stored_at = shard.reader(user).present()
        made += [Letter(mail, mail.message_id, stored_at) for mail in mails]
    thread = f"{THREAD}{to_hex(made[0].thread_id)}"
    for number in (1, 2):
        shard.change(user, (made[number].mail.message_id, thread, True), history_id=20)
        made[number] = replace(made[number], thread_id=made[0].thread_id)
    return made


def counted(letter: Letter, everything: list[Letter], as_of: datetime | None, owner: str) -> Acquaintance:
    before = [each for each in everything if each.place < letter.place and (as_of is None or each.stored_at <= as_of)]
    sent = [each for each in before if "SENT" in each.mail.labels]
    return Acquaintance(
        received_before=sum(each.sender == letter.sender for each in before),
        written_before=sum(letter.sender in each.recipients for each in sent),
        written_in_thread=sum(each.thread_id == letter.thread_id for each in sent),
        is_same_domain=letter.sender.endswith("@example.com") and letter.sender != owner,
        is_sent="SENT" in letter.mail.labels,
    )


@pytest.mark.parametrize("seed", range(4))
def test_evidence_is_what_a_plain_count_gives(shard: Shard, seed: int) -> None:
    user = shard.user()
    made = letters(shard, user, Random(seed))
    reader, owner = shard.reader(user), f"user{user}@example.com"
    for as_of in (None, *sorted({each.stored_at for each in made})):
        for letter in made:
            email = reader.email(letter.mail.message_id, as_of)
            if as_of is not None and letter.stored_at > as_of:
                assert email is None
                continue
            assert email is not None
            assert email.acquaintance == counted(letter, made, as_of, owner), (letter, as_of)
    rows = {row.pop("message_id"): row for row in table(reader, "acquaintances")}
    assert rows == {to_hex(each.mail.message_id): asdict(counted(each, made, None, owner)) for each in made}


def test_a_page_in_the_cache_changes_when_older_mail_arrives(shard: Shard) -> None:
    user, other = shard.user(), shard.user()
    shard.store(user, Mail(1, sender="ann@a.example", received_at=NOON))
    places = [located(shard, user)]
    shard.store(user, Mail(2, sender="ann@a.example", received_at=NOON + timedelta(days=1)))
    shard.store(other, Mail(3, sender="ann@a.example", received_at=NOON - timedelta(days=1)))
    places.append(located(shard, user))
    shard.store(user, Mail(4, sender="ann@a.example", received_at=NOON - timedelta(days=1)))
    places.append(located(shard, user))
    assert places[0] == places[1]
    assert places[1] != places[2]
    email = shard.reader(user).email(1)
    assert email is not None
    assert email.acquaintance is not None
    assert email.acquaintance.received_before == 1


def test_an_empty_mailbox_has_no_rows(shard: Shard) -> None:
    user = shard.user()
    assert table(shard.reader(user), "acquaintances") == []


def test_a_forged_address_of_the_owner_is_no_evidence(shard: Shard) -> None:
    user = shard.user()
    forged = Mail(1, sender=f"user{user}@example.com", to="eve@e.example", received_at=NOON)
    shard.store(user, forged, Mail(2, sender="eve@e.example", received_at=NOON + timedelta(hours=1)))
    email = shard.reader(user).email(2)
    assert email is not None
    assert email.acquaintance == Acquaintance(0, 0, 0, False, False)


def located(shard: Shard, user: int) -> object:
    from storage.mailbox.lookups import locations

    return locations(shard.engine, [(user, 1)])[user, 1]


def table(reader: MailboxReader, name: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = reader.views.table(name, None, 1 << 24).to_pylist()
    return rows
