"""What each analyser answers, message by message."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from jobs.analysis import bodies
from jobs.analysis.analyser import Analyser
from jobs.analysis.attachmentkinds import AttachmentKinds, kind_of
from jobs.analysis.authenticity import Authenticity
from jobs.analysis.automatic import Automatic
from jobs.analysis.category import Category
from jobs.analysis.keywords import Keywords
from jobs.analysis.language import Language
from jobs.analysis.lookalikes import lookalike_of, registered
from jobs.analysis.mail import Mail
from jobs.analysis.mailinglist import MailingList
from jobs.analysis.personaldata import PersonalData, is_card, is_iban
from jobs.analysis.priority import Priority
from jobs.analysis.receipts import Receipts
from jobs.analysis.sentiment import Sentiment
from jobs.analysis.summary import Summary
from jobs.mime.parser import parse
from tests.unit.jobs.analysis.mails import mail


def told(analyser: Analyser, message: Mail) -> dict[str, Any]:
    answer = analyser.analyse(message)
    names = [name for name, _ in analyser.fields]
    return dict.fromkeys(names) if answer is None else dict(zip(names, answer, strict=True))


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("Mine.\n\nOn Mon, 1 May 2024, Bob <b@x.example> wrote:\n> his\n", "Mine."),
        ("> his\nMine.\n> more of his", "Mine."),
        ("Mine.\n-- \nAnn, Example Ltd", "Mine."),
        ("Mine.\n-----Original Message-----\nFrom: Bob\n", "Mine."),
        ("Mine.\nFrom: Bob <b@x.example>\nSent: Monday\nHis.", "Mine."),
        ("Meins.\nAm 1. Mai 2024 um 10:00 schrieb Bob <b@x.example>:\n> seins", "Meins."),
        ("From the start to the end -- all mine", "From the start to the end -- all mine"),
    ],
)
def test_a_body_is_what_the_writer_wrote(text: str, body: str) -> None:
    assert bodies.body(text) == body


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Could we meet on Thursday to talk about the budget for next year?", "en"),
        ("Können wir uns am Donnerstag treffen, um über das Budget zu sprechen?", "de"),
        ("Pouvons-nous nous rencontrer jeudi pour parler du budget de l'année prochaine ?", "fr"),
        ("¿Podemos vernos el jueves para hablar del presupuesto del próximo año?", "es"),
        ("来週の木曜日に予算について話し合うために会えますか。", "ja"),
        ("OK 12345", None),
        ("1234567 89-10-11 --- 12:30", None),
    ],
)
def test_a_language_is_told_or_not(text: str, code: str | None) -> None:
    assert told(Language(), mail(text, subject=""))["code"] == code


@pytest.mark.parametrize(
    ("headers", "automatic", "bulk"),
    [
        ({}, False, False),
        ({"Auto_Submitted": "auto-replied"}, True, False),
        ({"Auto_Submitted": "no"}, False, False),
        ({"Precedence": "bulk"}, True, True),
        ({"List_Id": "<dev.example.org>", "In_Reply_To": "<1@example.org>"}, False, True),
        ({"List_Unsubscribe": "<https://example.org/u>"}, True, True),
        ({"Return_Path": "<>"}, True, False),
        ({"sender": "noreply@example.com"}, True, False),
        ({"sender": "newsletter@example.com"}, True, True),
    ],
)
def test_programs_and_bulk_are_told(headers: dict[str, str], automatic: bool, bulk: bool) -> None:
    answer = told(Automatic(), mail(**headers))
    assert (answer["automatic"], answer["bulk"]) == (automatic, bulk)
    assert bool(answer["reasons"]) == (automatic or bulk)


def test_a_list_says_how_to_leave_it() -> None:
    ways = (
        "<mailto:leave@example.org?subject=x>, <http://example.org/u>, <https://example.org/u>, <javascript:alert(1)>"
    )
    answer = told(
        MailingList(),
        mail(
            List_Id='"Development" <dev.example.org>',
            List_Unsubscribe=ways,
            List_Unsubscribe_Post="List-Unsubscribe=One-Click",
        ),
    )
    assert answer == {
        "list_id": "dev.example.org",
        "list_name": "Development",
        "unsubscribe_url": "https://example.org/u",
        "unsubscribe_address": "leave@example.org",
        "one_click": True,
    }
    assert MailingList().analyse(mail()) is None


def test_results_are_the_receiver_s() -> None:
    forged = "Authentication-Results: mx.evil.example; spf=pass; dkim=pass; dmarc=pass\r\n"
    own = (
        "Authentication-Results: mx.google.com (a (nested) comment); dkim=fail header.i=@x.example;\r\n"
        " dkim=pass header.i=@y.example; spf=softfail (google.com: dmarc=pass) smtp.mailfrom=x; dmarc=fail (p=NONE)\r\n"
    )
    answer = told(Authenticity(), Mail(parse((own + forged + "From: a@x.example\r\n\r\nhi").encode())))
    assert {key: answer[key] for key in ("server", "spf", "dkim", "dmarc")} == {
        "server": "mx.google.com",
        "spf": "softfail",
        "dkim": "pass",
        "dmarc": "fail",
    }
    only = told(Authenticity(), mail(Received_SPF="Fail (domain does not designate)"))
    assert (only["spf"], only["dkim"], only["server"]) == ("fail", None, None)


def test_what_does_not_fit_is_told() -> None:
    answer = told(
        Authenticity(),
        mail(sender='"support@paypal.com" <x@paypa1.com>', Reply_To="Someone <x@elsewhere.example>"),
    )
    assert answer["from_domain"] == "paypa1.com"
    assert (answer["reply_to_differs"], answer["name_differs"], answer["lookalike_of"]) == (True, True, "paypal")
    fine = told(Authenticity(), mail(sender="Ann <ann@mail.example.com>", Reply_To="help@example.com"))
    assert (fine["reply_to_differs"], fine["name_differs"], fine["lookalike_of"]) == (False, False, None)


@pytest.mark.parametrize(
    ("domain", "like"),
    [
        ("paypal.com", None),
        ("service.paypal.com", None),
        ("paypal.xyz", None),
        ("paypa1.com", "paypal"),
        ("paypal-security.example", "paypal"),
        ("rnicrosoft.com", "microsoft"),
        ("xn--pypal-4ve.com", "paypal"),
        ("gooogle.com", "google"),
        ("faecbook.com", "facebook"),
        ("example.com", None),
        ("mygoogleblog.com", None),
        ("xn--" + "a" * 70, None),
    ],
)
def test_lookalikes(domain: str, like: str | None) -> None:
    assert lookalike_of(domain) == like


def test_a_domain_as_registered() -> None:
    assert [registered(each) for each in ("a.b.example.com", "www.example.co.uk", "localhost", "EXAMPLE.org.")] == [
        *("example.com", "example.co.uk", "localhost", "example.org"),
    ]


def test_personal_data_is_counted_and_not_told() -> None:
    secrets = ["4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "+49 30 1234567", "078-05-1120", "192.0.2.17"]
    text = f"Mine: {', '.join(secrets)}, ann@example.org and ann@example.org; not 4111 1111 1111 1112, v1.2.3."
    answer = told(PersonalData(), mail(text))
    assert {each["kind"]: each["count"] for each in answer["found"]} == {
        "card": 1,
        "iban": 1,
        "phone": 1,
        "ssn": 1,
        "ip": 1,
        "email": 1,
    }
    for secret in (*secrets, "ann@example.org"):
        assert secret not in repr(answer)
    assert PersonalData().analyse(mail("Nothing here.")) is None


@pytest.mark.parametrize(
    ("number", "valid"), [("4111111111111111", True), ("4111111111111112", False), ("0000000000000000", False)]
)
def test_cards_have_their_checksum(number: str, valid: bool) -> None:
    assert is_card(number) is valid


@pytest.mark.parametrize(
    ("text", "valid"), [("GB82 WEST 1234 5698 7654 32", True), ("GB82 WEST 1234 5698 7654 33", False), ("AA00", False)]
)
def test_ibans_have_their_checksum(text: str, valid: bool) -> None:
    assert is_iban(text) is valid


@pytest.mark.parametrize(
    ("text", "total", "currency"),
    [
        ("Your receipt. Subtotal $10.00, tax $2.50, total: $12.50. Thank you!", Decimal("12.50"), "USD"),
        ("Rechnung vom 01.05.2024: Gesamtbetrag 1.234,56 €", Decimal("1234.56"), "EUR"),
        ("Invoice of 2024-05-01: USD 1,200 for the work, USD 34.00 for travel", Decimal("1200.00"), "USD"),
        ("Your order: £ 7 and £5.", Decimal("7.00"), "GBP"),
    ],
)
def test_a_receipt_has_a_total(text: str, total: Decimal, currency: str) -> None:
    answer = told(Receipts(), mail(text))
    assert (answer["total"], answer["currency"]) == (total, currency)


def test_dates_are_those_that_read_one_way() -> None:
    text = "Invoice: $1. Due 2024-05-01, or May 3, 2024, or 4 June 2024, or 05.07.2024; not 2024-02-31 or 05/06/2024."
    assert told(Receipts(), mail(text))["dates"] == [
        *(date(2024, 5, 1), date(2024, 7, 5), date(2024, 5, 3), date(2024, 6, 4)),
    ]
    assert Receipts().analyse(mail("I owe you $5.")) is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("This is great, I love it, thank you so much for the wonderful help!", "positive"),
        ("This is terrible. I hate the awful delay and I am very angry about it.", "negative"),
        ("The meeting is on the third floor of the building by the station.", "neutral"),
        ("This is not good, not great, and it was not fun at all for any of us.", "negative"),
        ("Das ist wirklich furchtbar und ich bin sehr enttäuscht von dieser Lieferung.", None),
    ],
)
def test_sentiment_is_told_in_english(text: str, label: str | None) -> None:
    answer = told(Sentiment(), mail(text, subject=""))
    assert (answer["supported"], answer["label"]) == (label is not None, label)


def test_keywords_are_what_others_lack() -> None:
    text = "The turbine needs a new bearing. The bearing of the turbine failed on Monday because of the heat."
    words = told(Keywords(), mail(text, subject="Turbine"))["words"]
    assert words[:2] == ["turbine", "bearing"]
    assert "the" not in words
    assert len(words) <= 8


def test_a_summary_is_two_sentences_of_the_writer() -> None:
    text = (
        "Hi Bob,\n\nThe turbine in hall four failed on Monday. I had lunch. A new bearing for the turbine arrives on "
        "Friday and we will install it. It rains.\n\nOn Sun, 30 Apr 2024, Bob <b@x.example> wrote:\n"
        "> The pump is well.\n"
    )
    summary = told(Summary(), mail(text, subject="turbine"))["text"]
    assert summary.startswith("The turbine in hall four failed on Monday.")
    assert "bearing" in summary
    assert "pump" not in summary
    assert len(told(Summary(), mail("word " * 5000))["text"]) <= 400
    assert Summary().analyse(mail("> all quoted")) is None


@pytest.mark.parametrize(
    ("text", "headers", "level"),
    [
        ("Can you send it today? It is urgent.", {"To": "me@example.com", "In_Reply_To": "<1@x>"}, "high"),
        ("For your information.", {}, "normal"),
        ("Sale! Urgent! Today?", {"List_Unsubscribe": "<https://example.org/u>", "Importance": "high"}, "low"),
    ],
)
def test_priority_has_its_reasons(text: str, headers: dict[str, str], level: str) -> None:
    answer = told(Priority(), mail(text, **headers))
    assert answer["level"] == level
    assert (level == "normal") or answer["reasons"]


@pytest.mark.parametrize(
    ("message", "category"),
    [
        (mail("See you at home tonight for dinner.", sender="mum@gmail.com"), "personal"),
        (mail("Please review the draft of the contract.", sender="carol@acme.example"), "work"),
        (mail("Ann wants to connect.", sender="x@linkedin.com", List_Unsubscribe="<https://l.example>"), "social"),
        (
            mail("Issue 5 of our letter.", List_Id="<n.example.org>", List_Unsubscribe="<https://n.example>"),
            "newsletter",
        ),
        (
            mail("Save 50% in our sale! Great offer, use this coupon", List_Unsubscribe="<https://s.example>"),
            "promotion",
        ),
        (mail("Payment received, total $5", subject="Your receipt", sender="no-reply@shop.example"), "receipt"),
        (mail("Your password was changed", subject="Security alert", sender="no-reply@x.example"), "notification"),
        (mail("Your flight: boarding at gate 5, departure 10:00", sender="no-reply@air.example"), "travel"),
    ],
)
def test_categories(message: Mail, category: str) -> None:
    answer = told(Category(), message)
    assert answer["name"] == category, answer
    assert answer["reasons"]
    assert 0 <= answer["spam_score"] <= 1


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"%PDF-1.7", "pdf"),
        (b"\x89PNG\r\n\x1a\n", "image"),
        (b"PK\x03\x04....word/document.xml", "document"),
        (b"PK\x03\x04....a.txt", "archive"),
        (b"MZ\x90\x00", "executable"),
        (b"#!/bin/sh", "script"),
        (b"  <!DOCTYPE html><html>", "html"),
        (b"<svg onload=alert(1)>", "svg"),
        (b"plain words", "text"),
        (b"\x00\x01\x02", "data"),
        (b"", "empty"),
    ],
)
def test_a_kind_is_told_by_content(head: bytes, kind: str) -> None:
    assert kind_of(head) == kind


def test_a_disguised_program_is_told() -> None:
    part = "--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename={}\r\n\r\n{}\r\n"
    body = part.format("invoice.pdf", "MZ this runs") + part.format("real.pdf", "%PDF-1.4") + part.format("a.js", "x")
    raw = f"Content-Type: multipart/mixed; boundary=b\r\n\r\n{body}--b--\r\n".encode()
    answer = told(AttachmentKinds(), Mail(parse(raw)))
    assert (answer["kinds"], answer["disguised"], answer["runs"]) == (["executable", "pdf", "text"], ["1"], True)
    assert AttachmentKinds().analyse(Mail(parse(raw), heads=())) is None, "nothing is known of the files"
    assert AttachmentKinds().analyse(mail()) is None
