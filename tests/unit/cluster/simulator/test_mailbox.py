"""The model of one user's mail."""

import pytest

from cluster.simulator.mailbox import SimulatedMailbox, is_hidden


def _mail(number: int, subject: str = "Hello", extra: str = "", day: int | None = None) -> tuple[str, bytes]:
    head = f"Message-ID: <{number}@x>\r\nSubject: {subject}\r\nDate: {day or number} Jan 2024 10:00:00 +0000\r\n"
    return f"{number}.eml", f"{head}{extra}\r\nbody {number}\r\n".encode()


def _loaded(*mail: tuple[str, bytes], email: str = "a@example.com") -> SimulatedMailbox:
    mailbox = SimulatedMailbox(email)
    mailbox.load(mail)
    return mailbox


def _facts(mailbox: SimulatedMailbox) -> list[tuple[object, ...]]:
    return [(m.id, m.thread_id, m.internal_date_ms, m.history_id, m.labels) for m in mailbox.messages.values()]


def test_the_same_mail_gives_the_same_mailbox_again() -> None:
    mail = [_mail(n) for n in range(1, 20)]

    assert _facts(_loaded(*mail)) == _facts(_loaded(*mail))


def test_ids_are_sixteen_hex_digits_that_survive_as_numbers() -> None:
    for id_ in _loaded(*(_mail(n) for n in range(1, 20))).messages:
        assert f"{int(id_, 16):x}" == id_ and len(id_) == 16
        assert int(id_, 16) < 2**63


def test_two_copies_are_two_messages_and_another_user_has_other_ids() -> None:
    twice = _loaded(_mail(1), _mail(1))

    assert len(twice.messages) == 2
    assert not twice.messages.keys() & _loaded(_mail(1), email="b@example.com").messages.keys()


def test_the_bytes_are_kept_exactly() -> None:
    raw = b"Subject: \xff\x00\r\rodd\n\r\n\xfe"

    (message,) = _loaded(("odd.eml", raw)).messages.values()

    assert message.raw == raw


def test_replies_join_the_thread_they_refer_to_whichever_comes_first() -> None:
    root, reply = _mail(1, "One"), _mail(2, "Two", "References: <1@x>\r\n")

    for order in ((root, reply), (reply, root)):
        assert len({m.thread_id for m in _loaded(*order).messages.values()}) == 1


def test_a_reply_without_references_joins_by_subject_and_a_newsletter_does_not() -> None:
    mailbox = _loaded(_mail(1, "Plans"), _mail(2, "Re: plans"), _mail(3, "News"), _mail(4, "News"))

    first, second, third, fourth = (m.thread_id for m in mailbox.messages.values())

    assert first == second
    assert third != fourth


def test_undated_mail_gets_a_date_of_its_own_that_stays() -> None:
    raw = b"Subject: when\r\nDate: soon\r\n\r\n"

    dates = {next(iter(_loaded(("x.eml", raw)).messages.values())).internal_date_ms for _ in range(2)}

    assert len(dates) == 1


def test_spam_by_file_name_is_hidden_and_the_folder_does_not_count() -> None:
    mailbox = _loaded(("spamassassin/spam_1.eml", b"a"), ("spamassassin/sent_mail_2.eml", b"b"))

    spam, sent = mailbox.messages.values()

    assert "SPAM" in spam.labels and is_hidden(spam)
    assert "SPAM" not in sent.labels


def test_messages_come_newest_first() -> None:
    mailbox = _loaded(*(_mail(n) for n in (3, 1, 2)))

    dates = [m.internal_date_ms for m in mailbox.newest_first()]

    assert dates == sorted(dates, reverse=True)


def test_mail_that_arrives_does_not_move_a_position() -> None:
    mailbox = _loaded(*(_mail(n) for n in range(1, 11)))
    seen = list(mailbox.newest_first())[:4]
    mailbox.add(_mail(20)[1])

    rest = list(mailbox.newest_first((seen[-1].internal_date_ms, seen[-1].id)))

    assert len({m.id for m in seen + rest}) == 10


def test_every_change_leaves_a_record_with_a_higher_id() -> None:
    mailbox = _loaded(_mail(1))
    start = mailbox.history_id

    added = mailbox.add(_mail(2)[1], labels=("INBOX",))
    mailbox.modify(added.id, add=("STARRED",), remove=("INBOX",))
    mailbox.trash(added.id)
    mailbox.delete(added.id)

    changes = list(mailbox.history(start) or ())
    ids = [c.history_id for c in changes]
    assert [c.type for c in changes] == [
        "messageAdded",
        "labelAdded",
        "labelRemoved",
        "labelAdded",
        "messageDeleted",
    ]
    assert ids == sorted(set(ids)) and ids[0] > start and ids[-1] == mailbox.history_id


def test_a_change_that_changes_nothing_leaves_no_record() -> None:
    mailbox = _loaded(_mail(1))
    (message,) = mailbox.messages.values()
    before = mailbox.history_id

    mailbox.modify(message.id, add=message.labels, remove=("CHAT",))

    assert mailbox.history_id == before


def test_labels_are_counted_through_every_change() -> None:
    mailbox = _loaded()
    message = mailbox.add(_mail(1)[1], labels=("INBOX", "UNREAD"))
    mailbox.modify(message.id, add=("STARRED",), remove=("UNREAD",))
    assert +mailbox.label_counts == {"INBOX": 1, "STARRED": 1}

    mailbox.delete(message.id)

    assert not +mailbox.label_counts


def test_history_before_the_first_day_and_of_the_future_is_unknown() -> None:
    mailbox = _loaded(_mail(1))

    assert mailbox.history(mailbox.history_id - 1) is None
    assert mailbox.history(mailbox.history_id + 1) is None
    assert list(mailbox.history(mailbox.history_id) or ()) == []


def test_forgetting_makes_every_earlier_cursor_too_old() -> None:
    mailbox = _loaded(_mail(1))
    cursor = mailbox.history_id

    mailbox.forget_history()

    assert mailbox.history(cursor) is None
    assert mailbox.history(mailbox.history_id) is not None


def test_deleted_mail_that_comes_back_is_another_message() -> None:
    mailbox = _loaded(_mail(1))
    (old,) = list(mailbox.messages)
    mailbox.delete(old)

    assert mailbox.add(_mail(1)[1]).id != old


def test_a_deleted_label_leaves_its_messages() -> None:
    mailbox = _loaded(_mail(1))
    (message,) = mailbox.messages.values()
    label = mailbox.create_label("Mine")
    mailbox.modify(message.id, add=(label,))

    mailbox.delete_label(label)

    assert label not in message.labels and not mailbox.knows_label(label)


def test_an_unknown_message_cannot_be_changed() -> None:
    with pytest.raises(KeyError):
        _loaded().trash("1000000000000000")
