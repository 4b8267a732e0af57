"""Training gives the same bytes every time, and what is shipped is what it says."""

import io
import tarfile
from dataclasses import replace
from importlib import resources
from pathlib import Path
from random import Random

import pytest

from jobs.analysis import spam
from jobs.analysis.training import corpus, hinge, modern, train
from tests.unit.jobs.analysis.mails import mail


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A small corpus of two kinds of mail, from several senders."""
    random = Random(1)
    words = {"spam": "free money winner click offer", "ham": "meeting report project review draft"}
    path = tmp_path / "corpus.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for number in range(120):
            kind = ("spam", "ham")[number % 2]
            text = " ".join(random.choices([*words[kind].split(), "hello", "please", "today"], k=20))
            sender = f"From: x@{kind}{number % 7}.example\r\nDate: Wed, {1 + number % 28} May 2002 08:00:00 +0000\r\n"
            content = f"{sender}Subject: {text[:20]}\r\n\r\n{text}".encode()
            member = tarfile.TarInfo(f"x/{kind}_{number:05}.eml")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_training_gives_the_same_bytes(archive: Path) -> None:
    first, again = corpus.read(archive), corpus.read(archive)
    assert train.spam_bin(first) == train.spam_bin(again[::-1])
    assert train.background_tsv([each.mail for each in first]) == train.background_tsv([each.mail for each in again])


def test_splits_are_honest(archive: Path) -> None:
    examples = corpus.read(archive)
    learnt, measured = corpus.by_time(examples)
    assert max(each.at for each in learnt if each.at) < min(each.at for each in measured if each.at)
    assert {each.spam for each in measured} == {each.spam for each in learnt} == {False, True}
    learnt, measured = corpus.by_sender(examples)
    assert measured
    known = frozenset().union(*(each.senders for each in learnt))
    assert not [each.name for each in measured if each.senders & known]


def test_who_writes_to_a_list_and_directly_is_on_one_side(archive: Path) -> None:
    examples = [
        replace(each, senders=frozenset({f"<list{number % 5}.example>", f"person{number % 11}@example.com"}))
        for number, each in enumerate(corpus.read(archive))
    ]
    learnt, measured = corpus.by_sender(examples)
    known = frozenset().union(*(each.senders for each in learnt))
    assert not [each.name for each in measured if each.senders & known]


def test_the_trained_model_separates_the_kinds(archive: Path) -> None:
    learnt, measured = corpus.by_sender(corpus.read(archive))
    model = hinge.train([(each.name, spam.features(each.mail), each.spam) for each in learnt])
    right = [(model.margin(spam.features(each.mail)) > 0.2) is each.spam for each in measured]
    assert sum(right) == len(right)


def test_the_shipped_model_is_what_was_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert len(spam.shipped().weights) == spam.BUCKETS
    assert spam.spam_score(mail("FREE MONEY!!! Click here to claim your prize now $$$", "WINNER")) > 0.5
    assert spam.spam_score(mail("I fixed the patch and ran the tests; see the attached diff.", "Re: patch")) < 0.5

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "spam.bin").write_bytes(spam.shipped().packed(1)[:-1] + b"\x55")
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    spam.shipped.cache_clear()
    with pytest.raises(spam.ModelDamaged, match=r"spam\.bin"):
        spam.shipped()
    spam.shipped.cache_clear()


def test_synthetic_mail_of_today_is_parsed_and_has_both_kinds_in_six_languages() -> None:
    examples = modern.examples()
    assert len({each.name for each in examples}) == len(examples)
    assert {(each.name.split("-")[1], each.spam) for each in examples} == {
        (language, spam) for language in ("de", "en", "es", "fr", "it", "pt") for spam in (False, True)
    }
    assert not [each.name for each in examples if "{" in each.mail.message.text or len(each.mail.message.text) < 50]
    wrong = [each.name for each in examples if (spam.spam_score(each.mail) >= spam.LIKELY) is not each.spam]
    assert len(wrong) <= len(examples) * 3 // 100, wrong
