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

    assert (found["spf"], found["dkim"], found["recorded_by"]) == ("fail", "absent", "mx.real")


@pytest.mark.parametrize(
    ("header", "spf"),
    [
        ("mx; spf=maybe", "absent"),
        ("mx; none", "absent"),
        ("mx; spf=hardfail", "fail"),
        ("mx; x=(spf=pass)", "absent"),
        ("spf=pass", "pass"),
        ("", "absent"),
    ],
)
def test_what_is_no_result_is_absent(header: str, spf: str) -> None:
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


#: As receivers write them, with the results (spf, dkim, dmarc) and the receiver.
RECEIVERS = [
    (
        "Authentication-Results: spf=fail (sender IP is 192.0.2.1)\n smtp.mailfrom=a.example; dkim=none (message not\n"
        " signed) header.d=none;dmarc=fail action=none header.from=a.example;compauth=fail reason=001\n"
        "Received: from x.example by AM6PR02MB1.eurprd02.prod.outlook.com with HTTPS; Mon, 1 Jan 2024 00:00:00 +0000",
        ("fail", "none", "fail", "am6pr02mb1.eurprd02.prod.outlook.com"),
    ),
    (
        "Authentication-Results: ppops.net;\n\tspf=pass smtp.mailfrom=a@a.example;\n\tdkim=pass header.d=a.example"
        " header.s=s1;\n\tdmarc=pass header.from=a.example",
        ("pass", "pass", "pass", "ppops.net"),
    ),
    (
        "Authentication-Results: mta1234.mail.ne1.yahoo.com  from=a.example; domainkeys=neutral (no sig);\n"
        "  from=a.example; dkim=pass (ok)\nReceived-SPF: softfail (transitioning domain of a.example)",
        ("softfail", "pass", "absent", "mta1234.mail.ne1.yahoo.com"),
    ),
    (
        "Received: from a (192.0.2.1) by ex01.corp.example (192.0.2.2); Mon, 1 Jan 2024 00:00:00 +0000\n"
        "X-MS-Exchange-Organization-SenderIdResult: SoftFail",
        ("softfail", "absent", "absent", ""),
    ),
    (
        "ARC-Authentication-Results: i=2; mx.google.com; dkim=pass header.i=@a.example; spf=pass (x) smtp.mailfrom=a;\n"
        " dmarc=pass (p=NONE) header.from=a.example\n"
        "ARC-Authentication-Results: i=1; mx.forged.example; spf=fail; dkim=fail; dmarc=fail",
        ("pass", "pass", "pass", "mx.google.com"),
    ),
    (
        "Authentication-Results: spf=none; dkim=none; dmarc=bestguesspass action=none",
        ("none", "none", "none", ""),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("head", "results"), RECEIVERS)
def test_results_are_read_as_receivers_write_them(head: str, results: tuple[str, ...]) -> None:
    found = answers(Mail(parse(f"From: Ann <ann@a.example>\n{head}\n\nhello".encode())))
    assert tuple(found[name] for name in ("spf", "dkim", "dmarc", "recorded_by")) == results


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
