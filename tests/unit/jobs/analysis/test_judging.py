"""What analysers that judge answer, message by message. Rules' analysers have a file each."""

from typing import Any

import pytest

from jobs.analysis.analyser import Analyser
from jobs.analysis.category import Category
from jobs.analysis.keywords import Keywords
from jobs.analysis.language import Language
from jobs.analysis.mail import Mail
from jobs.analysis.priority import Priority
from jobs.analysis.registry import BUILT_IN
from jobs.analysis.sentiment import Sentiment
from jobs.analysis.summary import Summary
from tests.unit.jobs.analysis.mails import mail

SCHEMA = {
    "language": "code: string, confidence: float",
    "category": "name: string, spam_score: float, reasons: list<item: string>, source: string, if_known: string",
    "automatic": "automatic: bool, kind: string, reason: string",
    "mailinglist": (
        "list_id: string, unsubscribe_http: string, unsubscribe_mailto: string, one_click: bool, posting_allowed: bool"
    ),
    "priority": "level: string, reasons: list<item: string>, source: string, points: int16",
    "sentiment": "supported: bool, score: float, label: string, sentences: list<item: string>",
    "keywords": "words: list<item: string>",
    "summary": "text: string",
    "attachmentkinds": "kinds: list<item: string>, mismatches: int32, executables: int32",
    "authenticity": (
        "spf: string, dkim: string, dmarc: string, recorded_by: string, from_domain: string, "
        "reply_to_differs: bool, lookalike_of: string, name_differs: bool, "
        "warnings: list<item: struct<kind: string, evidence: string>>"
    ),
    "personaldata": (
        "ibans: int32, cards: int32, social_security_numbers: int32, phones: int32, emails: int32, ip_addresses: int32"
    ),
    "receipts": "total: decimal128(15, 2), currency: string, dated: date32[day], amounts: int32",
}


def told(analyser: Analyser, message: Mail) -> dict[str, Any]:
    answer = analyser.analyse(message)
    names = [name for name, _ in analyser.fields]
    return dict.fromkeys(names) if answer is None else dict(zip(names, answer, strict=True))


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
    ("text", "label"),
    [
        ("This is great, I love it, thank you so much for the wonderful help!", "positive"),
        ("This is terrible. I hate the awful delay and I am very angry about it.", "negative"),
        ("The meeting is on the third floor of the building by the station.", "neutral"),
        ("This is not good, not great, and it was not fun at all for any of us.", "negative"),
        ("Dear Bob,\n\nthe agreement is attached. Please share it with the team.\n\nMany thanks,\nJoy Best", "neutral"),
        ("Hi Bob, thank you for your help. The report of the pump is attached.\n\nBest regards\nJoy Love", "neutral"),
        (
            "The report of the pump is attached.\n\nThis message is confidential. It would be a terrible, awful crime "
            "to read it.",
            "neutral",
        ),
        ("The list of the parts is below.\n" + "The pump needs a part from the store. " * 20 + "Great!", "neutral"),
        ("Das ist wirklich furchtbar und ich bin sehr enttäuscht von dieser Lieferung.", None),
    ],
)
def test_sentiment_is_determined_for_english_only(text: str, label: str | None) -> None:
    answer = told(Sentiment(), mail(text, subject=""))
    assert (answer["supported"], answer["label"]) == (label is not None, label)
    assert bool(answer["sentences"]) is (label in ("positive", "negative"))


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
    assert Summary().analyse(mail("1234 5678")) is None


def test_a_summary_says_nothing_about_the_message_itself() -> None:
    html = {"Content_Type": "text/html; charset=utf-8"}
    text = (
        "<p>View this email in your browser</p><p>&zwnj;&nbsp;&zwnj;&nbsp;&zwnj;</p><p>Hello Bob,</p>"
        "<p>The turbine in hall four failed on Monday</p><p>Kind regards</p><p>Ann from the turbine hall</p>"
        "<p>Unsubscribe from turbine news</p>"
    )
    assert told(Summary(), mail(text, subject="turbine", **html))["text"] == "The turbine in hall four failed on Monday"


REPLY = {"To": "me@example.com", "In_Reply_To": "<1@x>"}
URGENT = "Can you review the draft of the report today? The meeting about the project is on Thursday, it is urgent."


@pytest.mark.parametrize(
    ("text", "headers", "level"),
    [
        (URGENT, REPLY, "high"),
        (URGENT, {"To": "Bob <bob@example.com>"}, "high"),  # the domain of the sender
        (URGENT, {"To": "ann@example.com"}, None),  # the sender's own address
        (URGENT, {"To": "me@other.example", "Importance": "high"}, None),
        (URGENT, {**REPLY, "sender": "PayPal <x@shop.example>"}, "low"),
        (URGENT, {**REPLY, "Authentication_Results": "mx; spf=fail; dkim=none"}, "low"),
        ("I fixed the patch and ran the tests; see the report of the meeting.", {"In_Reply_To": "<1@x>"}, "normal"),
        ("I fixed the patch and ran the tests; see the report of the meeting.", {}, None),
        ("Sale! Urgent! Today?", {"List_Unsubscribe": "<https://example.org/u>", "Importance": "high"}, "low"),
    ],
)
def test_priority_has_its_reasons(text: str, headers: dict[str, str], level: str | None) -> None:
    answer = told(Priority(), mail(text, **headers))
    assert answer["level"] == level, answer
    assert (level is None) or answer["reasons"]


def test_spam_has_no_high_priority() -> None:
    spam = mail("FREE MONEY!!! Click here to claim your prize now $$$ urgent today?", subject="WINNER", **REPLY)
    assert told(Category(), spam)["spam_score"] > 0.5
    assert told(Priority(), spam)["level"] == "low"
    assert told(Category(), spam)["name"] not in ("work", "personal")


@pytest.mark.parametrize(
    ("message", "category"),
    [
        (mail("See you at home tonight for dinner.", sender="mum@gmail.com", In_Reply_To="<1@x>"), "personal"),
        (mail("See you at home tonight for dinner.", sender="mum@gmail.com"), None),
        (mail("Please review the draft of the contract.", sender="carol@acme.example", To="bob@acme.example"), "work"),
        (mail("Please review the draft of the contract.", sender="carol@acme.example", To="bob@b.example"), None),
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
def test_categories(message: Mail, category: str | None) -> None:
    answer = told(Category(), message)
    assert answer["name"] == category, answer
    assert answer["reasons"]
    assert 0 <= answer["spam_score"] <= 1


def test_fields_keep_their_types() -> None:
    """To change a field's type, give the new meaning a new name."""
    assert {each.name: ", ".join(f"{name}: {kind}" for name, kind in each.fields) for each in BUILT_IN} == SCHEMA
