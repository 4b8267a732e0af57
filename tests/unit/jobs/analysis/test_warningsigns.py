"""Warnings: what sets them off, and what must not."""

import time
from typing import Any

import pytest

from jobs.analysis.authenticity import warnings_of
from jobs.analysis.displayednames import foreign_name, lured_by
from jobs.analysis.mail import Mail
from jobs.analysis.warningsigns import KINDS
from jobs.mime.parser import parse
from tests.unit.jobs.analysis.letters import letter

MICROSOFT = "spf=fail (sender IP is 192.0.2.1) smtp.mailfrom=a.example; dkim=none header.d=none;dmarc=none"
FILE = (
    b"From: a@a.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nhello\n--b\n"
    b"Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=%s\n\nx\n--b--\n"
)
LIMITED = "Verify your account at http://a.example within 24 hours."


def kinds(mail: Mail) -> list[str]:
    found = mail.once(warnings_of)
    assert all(sign.kind in KINDS and sign.evidence for sign in found)
    return [sign.kind for sign in found]


FORWARDED = "mx; arc=pass (i=1); spf=softfail; dkim=none; dmarc=fail"
SEAL = "i=1; a=rsa-sha256; t=1; cv=none; d=%s; s=arc-20160816; b=x"
UNCONFIRMED = "not_authenticated"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (letter(From='"Your PayPal Service" <x@shop.example>'), "known_name"),
        (letter(From="Microsoft account team ,_<no-reply@mailer.example>"), "known_name"),
        (letter(From="M\u0456crosoft <x@shop.example>"), "known_name"),
        (letter(From="<microsoft-noreply@shop.example>"), "known_name"),
        (letter(From="Apple Support <x@shop.example>"), "known_name"),
        (letter(From="x@paypa1.com"), "lookalike_domain"),
        (letter(From="x@paypal-secure.example"), "lookalike_domain"),
        (letter(From='"ann@bank.example" <x@shop.example>'), "address_in_name"),
        (letter(From="Ann Smith <ann@bank.example>", Reply_To="getrich99@gmail.com"), "replies_elsewhere"),
        (letter(From="a@a.example", Authentication_Results=MICROSOFT), "not_authenticated"),
        (letter(From="a@a.example", Authentication_Results="mx; spf=pass; dkim=pass; dmarc=fail"), "not_authenticated"),
        (letter(From="a@a.example", Authentication_Results="mx; spf=none; dkim=none"), "not_authenticated"),
        (letter(From="a@a.example", Authentication_Results="spf=pass; dkim=none; compauth=fail"), "not_authenticated"),
        (letter(From="a@a.example", X_Forefront_Antispam_Report="CIP:1;SCL:9;CAT:PHSH;"), "marked_by_receiver"),
        (letter(From="a@a.example", X_Forefront_Antispam_Report="CIP:1;SFV:NSPM;SCL:5;"), "junk_by_receiver"),
        (letter(From="a@a.example", X_Microsoft_Antispam_Mailbox_Delivery="wl:1;dest:J;"), "junk_by_receiver"),
        (letter(From="a@a.example", Authentication_Results=FORWARDED, ARC_Seal=SEAL % "evil.example"), UNCONFIRMED),
        (letter(From="a@a.example", Authentication_Results=FORWARDED), UNCONFIRMED),
        (Mail(parse(FILE % b"bill.pdf.exe")), "runs_a_file"),
        (Mail(parse(FILE % b"invoice.html")), "runs_a_file"),
        (letter(LIMITED, From="a@a.example"), "asks_for_credentials"),
        (letter("Best\u00e4tigen Sie Ihr Konto, sonst wird es gesperrt: http://a.example"), "asks_for_credentials"),
    ],
)
def test_what_sets_a_warning_off(message: Mail, kind: str) -> None:
    assert kinds(message) == [kind]


LIST = {"List_Id": "<l.example.org>"}


@pytest.mark.parametrize(
    "message",
    [
        letter(From="PayPal <service@mail.paypal.com>"),
        letter(From="PayPal <x@paypal-communication.com>"),
        letter(From="Gnome Apple Core <x@shop.example>"),
        letter(From="Chase Miller <chase.miller@shop.example>"),
        letter(From="Ann <ebay@ann.example>"),
        letter(From="Ann Smith <ann@bank.example>", Reply_To="ann.smith@gmail.com"),
        letter(From="Ann Smith <ann@bank.example>", Reply_To="someone@gmail.com", **LIST),
        letter(From="News <n@a.example>", Reply_To="answers@b.example", List_Unsubscribe="<https://a.example>"),
        letter(From="a@a.example", Authentication_Results="mx; spf=pass; dkim=pass; dmarc=fail", **LIST),
        letter(From="a@a.example", Authentication_Results="mx; spf=fail; dkim=none", **LIST),
        letter(From="a@a.example", Authentication_Results="mx; spf=softfail; dkim=none", X_Forwarded_For="b@b.example"),
        letter(From="a@a.example", Authentication_Results=FORWARDED, ARC_Seal=SEAL % "google.com"),
        letter(From="a@a.example", X_Microsoft_Antispam_Mailbox_Delivery="wl:1;dest:I;"),
        letter(From="a@a.example", Authentication_Results="mx; spf=softfail; dkim=pass; dmarc=none"),
        letter(From="a@a.example", X_Forefront_Antispam_Report="CIP:1;SCL:1;CAT:NONE;"),
        letter(From="a@a.example"),
        letter(""),
        Mail(parse(FILE % b"bill.pdf")),
        letter(LIMITED, From="a@a.example", **LIST),
        letter("I shall update your account in 24 hours.", From="a@a.example"),
    ],
)  # fmt: skip
def test_honest_mail_has_none(message: Mail) -> None:
    assert kinds(message) == []


def test_a_list_is_no_excuse_for_a_well_known_domain() -> None:
    results: dict[str, Any] = {"Authentication_Results": "mx; spf=pass; dkim=none; dmarc=fail"}
    assert kinds(letter(From="PayPal <service@paypal.com>", **results, **LIST)) == ["not_authenticated"]


def test_names_and_their_domains() -> None:
    assert foreign_name("Office 365 Team", "evil.example") == "office 365"
    assert foreign_name("Office 365 Team", "microsoft.com") == ""
    assert foreign_name("Microsoftware", "evil.example") == ""
    assert foreign_name("", "evil.example") == ""
    assert [lured_by(domain) for domain in ("paypal-login.com", "paypal-fans.org", "paypal.com")] == ["paypal", "", ""]


def _cpu_s(text: str) -> float:
    """The least processor time in which warnings of a message full of this text were found, parsing excluded."""
    best_s = float("inf")
    for _ in range(3):
        mail = letter(text, From=f'"{text}" <x@a.example>', Reply_To=text, Authentication_Results=text, Received=text)
        began_s = time.process_time()
        kinds(mail)
        best_s = min(best_s, time.process_time() - began_s)
    return best_s


@pytest.mark.parametrize("piece", ["paypal ", "@", "a.", "-", "your "])
def test_the_time_for_long_senders_and_texts_does_not_grow_with_their_squares(piece: str) -> None:
    short, long = piece * (8_000 // len(piece)), piece * (512_000 // len(piece))

    # 64 times as long: 4,096 times the time if quadratic. Measured: below 0.5 ms for both, because texts are cut.
    assert _cpu_s(long) < 0.02 + 64 * _cpu_s(short)
