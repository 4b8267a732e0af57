"""jobs/mime/display.py"""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from jobs.mime.display import _ATTRIBUTES, _TAGS, display

PIXEL = base64.b64decode("R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")


def mail(markup: str, kind: str = "text/html") -> bytes:
    return f"Subject: x\r\nContent-Type: {kind}; charset=utf-8\r\n\r\n{markup}".encode()


def shown(markup: str, remote_images: bool = False) -> str:
    return display(mail(markup), remote_images)


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>hi<script>alert(1)</script></p>", "<p>hi</p>"),
        ("<img src=x onerror=alert(1)>", "<img>"),
        ("<svg onload=alert(1)><a>x</a></svg>after", "after"),
        ("<math><mtext><img src=x onerror=alert(1)></mtext></math>after", "after"),
        ("<style>body{background:url(https://evil.example)}</style>text", "text"),
        ("<form action=https://evil.example><input name=p></form>text", "text"),
        ("<meta http-equiv=refresh content='0;url=https://evil.example'>text", "text"),
        ("<base href=https://evil.example>text", "text"),
        ("<link rel=stylesheet href=https://evil.example>text", "text"),
        ("<iframe srcdoc='<script>alert(1)</script>'></iframe>text", "text"),
        ("<b id=x class=y data-z=1 accesskey=q>text</b>", "<b>text</b>"),
        ("<td background=https://evil.example/x.png>cell", "cell"),
        ('<p style="color:red;position:fixed;z-index:9">x</p>', '<p style="color:red">x</p>'),
        ('<p style="color:red;background-image:url(https://evil.example)">x</p>', "<p>x</p>"),
        ('<p style="width:expression(alert(1))">x</p>', "<p>x</p>"),
        ('<p style="color:r\\65 d">x</p>', "<p>x</p>"),
        ("<!-- <script>alert(1)</script> -->text", "text"),
        ("<template><script>alert(1)</script></template>text", "text"),
    ],
)
def test_what_acts_or_calls_home_is_gone(markup: str, expected: str) -> None:
    assert shown(markup).replace(';"', '"') == expected


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "vbscript:x",
        "data:text/html,<script>alert(1)</script>",
        "//evil.example",
        "file:///etc/passwd",
        "cid:x",
        "/relative",
    ],
)
def test_a_link_leads_to_the_web_or_to_nothing(target: str) -> None:
    assert "href" not in shown(f'<a href="{target}">x</a>')


def test_a_link_tells_nothing_about_where_it_was_read() -> None:
    found = LexborHTMLParser(shown('<a href="https://example.com/">x</a>')).css_first("a")
    assert found is not None
    assert found.attributes["target"] == "_blank"
    assert found.attributes["rel"] == "noopener noreferrer nofollow"


def test_pictures_from_elsewhere_load_only_when_asked_for() -> None:
    markup = '<img src="https://tracker.example/p.gif"><img src="http://tracker.example/p.gif">'
    assert shown(markup) == "<img><img>"
    assert shown(markup, remote_images=True) == '<img src="https://tracker.example/p.gif"><img>'


def test_a_picture_of_the_message_is_in_the_page_and_an_active_one_is_not() -> None:
    def related(kind: str) -> bytes:
        return (
            b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
            b'<img src="cid:p@x">\r\n'
            b"--b\r\nContent-Type: "
            + kind.encode()
            + b"\r\nContent-ID: <p@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + base64.b64encode(PIXEL)
            + b"\r\n--b--\r\n"
        )

    assert display(related("image/gif")) == f'<img src="data:image/gif;base64,{base64.b64encode(PIXEL).decode()}">'
    assert display(related("image/svg+xml")) == "<img>"
    assert shown('<img src="data:image/svg+xml;base64,PHN2Zz4=">') == "<img>"


def test_a_picture_that_is_named_again_and_again_is_decoded_once() -> None:
    named = b'<img src="cid:p@x">' * 19_000
    raw = (
        b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
        + named
        + b"\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <p@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(bytes(3 << 20))
        + b"--b--\r\n"
    )
    began = time.process_time()
    assert display(raw).count("<img") == 19_000
    assert time.process_time() - began < 5


def test_text_is_shown_as_it_is_with_its_links() -> None:
    page = display(mail('<script>alert(1)</script> see https://example.com/?a=1&b=2 "x"', "text/plain"))
    assert "<script" not in page
    assert 'href="https://example.com/?a=1&amp;b=2"' in page


def test_of_alternatives_the_richest_is_shown() -> None:
    raw = (
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<b>rich</b>\r\n--b--\r\n"
    )
    assert display(raw).strip() == "<b>rich</b>"


@pytest.mark.parametrize(
    "markup",
    [
        "<div>" * 100_000,
        "<b>" * 19_000,
        "<table><tr><td>" * 6_000,
        "<" * 1_000_000,
        "<a " + "x=1 " * 200_000 + ">",
        "<!--" * 100_000,
        "&#x" * 300_000,
        "<p style='" + "color:red;" * 100_000 + "'>",
        "\0" * 10_000,
    ],
)
def test_hostile_markup_takes_a_bounded_time(markup: str) -> None:
    began = time.process_time()
    assert isinstance(shown(markup), str)
    assert time.process_time() - began < 5


_PIECES = st.sampled_from(
    [
        "<script>",
        "</script>",
        "<svg>",
        "<math>",
        "<style>",
        "</style>",
        "<img src=x onerror=a()>",
        "<a href='java",
        "script:'>",
        "<p style='background:url(//e)'>",
        "<noscript>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<xmp>",
        "<table>",
        "<select>",
        "<iframe src=//e>",
        "<mtext>",
        "<mglyph>",
        "<annotation-xml encoding='text/html'>",
        "'",
        '"',
        ">",
        "<",
        "x",
        "&lt;",
        "<base href=//e>",
        "<form>",
        "<input autofocus onfocus=a()>",
        "<img src='data:text/html,x'>",
        "<object data=//e>",
    ]
)


@given(st.lists(_PIECES, max_size=25).map("".join))
def test_whatever_goes_in_only_what_is_allowed_comes_out(markup: str) -> None:
    tree = LexborHTMLParser(f"<body>{shown(markup)}</body>")
    for node in tree.body.traverse() if tree.body else ():
        if node.tag in ("body", "-text"):
            continue
        assert node.tag in _TAGS, node.html
        allowed = _ATTRIBUTES["*"] | _ATTRIBUTES.get(node.tag, set()) | {"rel", "target"}
        for name, value in node.attributes.items():
            assert name in allowed
            assert name not in ("src", "href") or (value or "").startswith(
                ("http", "data:image/", "mailto:", "tel:", "#")
            )
            assert name != "style" or "url" not in (value or "").lower()
