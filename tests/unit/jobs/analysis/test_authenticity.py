"""Where a message comes from, as its receiver recorded it."""

import pytest

from jobs.analysis.authenticity import Authenticity
from jobs.analysis.lookalikes import lookalike
from jobs.analysis.mail import Mail
from jobs.mime.parser import parse
from tests.unit.jobs.analysis.letters import letter

GMAIL = """mx.google.com; dkim=fail (bad; "spf=pass") header.i=@a.example header.s=x;
 dkim=pass header.i=@b.example; spf=softfail (google.com: domain of x) smtp.mailfrom=x@a.example;
 dmarc=pass (p=REJECT sp=REJECT) header.from=a.example"""


def answers(mail: Mail) -> dict[str, object]:
    names = [name for name, _ in Authenticity.fields]
    return dict(zip(names, Authenticity().analyse(mail), strict=True))


def test_results_are_those_of_the_receiver() -> None:
    found = answers(letter(Authentication_Results=GMAIL, From="Ann <ann@A.example>"))

    assert [found[name] for name in ("spf", "dkim", "dmarc", "recorded_by", "from_domain")] == [
        "softfail", "pass", "pass", "mx.google.com", "a.example"
    ]  # fmt: skip


def test_only_the_topmost_is_trusted() -> None:
    raw = b"Authentication-Results: mx.real; spf=fail\nAuthentication-Results: mx.fake; spf=pass; dkim=pass\n\n"
    found = answers(Mail(parse(raw)))

    assert (found["spf"], found["dkim"], found["recorded_by"]) == ("fail", "", "mx.real")


@pytest.mark.parametrize(
    ("header", "spf"),
    [("mx; spf=maybe", ""), ("mx; none", ""), ("mx; spf=hardfail", "fail"), ("mx; x=(spf=pass)", ""), ("spf=pass", "")],
)
def test_what_is_no_result_is_none(header: str, spf: str) -> None:
    assert answers(letter(Authentication_Results=header))["spf"] == spf


def test_received_spf_speaks_where_nothing_else_does() -> None:
    assert answers(letter(Received_SPF="Pass (mx: domain of x)"))["spf"] == "pass"


@pytest.mark.parametrize(
    ("sender", "reply_to", "differs"),
    [
        ("a@mail.x.example", "b@x.example", False),
        ("a@x.example", "b@y.example", True),
        ("a@x.co.uk", "b@y.co.uk", True),
        ("a@x.example", "", False),
    ],
)
def test_a_reply_to_of_another_domain_is_reported(sender: str, reply_to: str, differs: bool) -> None:
    assert answers(letter(From=sender, Reply_To=reply_to))["reply_to_differs"] is differs


@pytest.mark.parametrize(
    ("shown", "differs"),
    [("PayPal Service", True), ("Gnome Apple Core", False), ("ann@bank.example", True), ("Ann Smith", False)],
)
def test_a_display_name_with_another_address_is_reported(shown: str, differs: bool) -> None:
    assert answers(letter(From=f'"{shown}" <x@shop.example>'))["name_differs"] is differs


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("paypa1.com", "paypal"),
        ("rnicrosoft.com", "microsoft"),
        ("xn--pypal-4ve.com", "paypal"),
        ("login.g00gle.com", "google"),
        ("arnazon.de", "amazon"),
        ("mircosoft.com", "microsoft"),
        ("goggle.com", "google"),
        ("apply.com", ""),
        ("cooking.com", ""),
        ("deutsche-bank.de", ""),
        ("paypal.com", ""),
        ("mail.google.com", ""),
        ("example.org", ""),
        ("xn--\u00fc.com", ""),
        ("localhost", ""),
    ],
)
def test_lookalike_domains_are_reported(domain: str, name: str) -> None:
    assert lookalike(domain) == name
