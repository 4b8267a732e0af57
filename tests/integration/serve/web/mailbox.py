"""Mail that the browser's tests look at: generated letters, a conversation, files, and mail that attacks the page."""

from dataclasses import dataclass
from datetime import datetime

from cluster.simulator.generator import generate
from jobs.analysis.config import AnalysisConfig
from jobs.analysis.running import configured
from storage.model.records import LabelChange, User
from tests.integration.serve.conftest import Archive

LETTERS = 300
#: A page of the list has 100; the others are fetched as it is scrolled.
_CONVERSATION = 0x700
_HTML = "Content-Type: text/html; charset=utf-8\r\n"
_TO_THEM = "http://127.0.0.1:1/track"

#: By name, what is aimed at the page: header lines with a subject, and a body.
HOSTILE: dict[str, tuple[str, str]] = {
    "script in the subject": ("Subject: <script>window.owned=1</script>\r\n", "text"),
    "image in the subject": ("Subject: <img src=x onerror=window.owned=1>\r\n", "text"),
    "template in the subject": ("Subject: {{constructor.constructor('window.owned=1')()}} {@html x}\r\n", "text"),
    "script in the name": ('Subject: name\r\nFrom: "<script>window.owned=1</script>" <a@example.com>\r\n', "text"),
    "direction override": ("Subject: invoice =?utf-8?B?4oCuZmRwLmV4ZQ==?= for you\r\n", "text"),
    "script in the page": (f"Subject: page script\r\n{_HTML}", "<p>seen</p><script>top.owned=1</script>"),
    "handlers": (f"Subject: handlers\r\n{_HTML}", "<p onclick='top.owned=1'>seen</p><svg onload=top.owned=1>"),
    "frames": (f"Subject: frames\r\n{_HTML}", f"<p>seen</p><iframe src='{_TO_THEM}'></iframe>"),
    "refresh": (f"Subject: refresh\r\n{_HTML}", f"<meta http-equiv=refresh content='0;url={_TO_THEM}'><p>seen</p>"),
    "base": (f"Subject: base\r\n{_HTML}", f"<base href='{_TO_THEM}/'><p>seen</p><img src=a.png>"),
    "pictures": (f"Subject: pictures\r\n{_HTML}", f"<p>seen</p><img src='{_TO_THEM}.png' width=1>"),
    "styles": (
        f"Subject: styles\r\n{_HTML}",
        f"<style>@import '{_TO_THEM}.css';p{{background:url({_TO_THEM}.png)}}</style><p style='top:0'>seen</p>",
    ),
    "form": (f"Subject: form\r\n{_HTML}", f"<form action='{_TO_THEM}'><input name=key autofocus></form><p>seen</p>"),
    "link to the script": (f"Subject: link\r\n{_HTML}", "<a href='javascript:top.owned=1'>seen</a>"),
    "link to the top": (f"Subject: top\r\n{_HTML}", f"<a target=_top href='{_TO_THEM}'>seen</a>"),
    "one long word": (f"Subject: {'x' * 900}\r\n", "y" * 5000),
    "many marks": ("Subject: =?utf-8?B?YcyBzIHMgcyBzIHMgcyBzIHMgcyBzIHMgcyBzIHMgcyBzIE=?=\r\n", "text"),
}
_FILE = (
    "Subject: the parity tables\r\nFrom: Grace <grace@example.com>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee the file\r\n--b\r\n"
    'Content-Type: text/csv\r\nContent-Disposition: attachment; filename="numbers.csv"\r\n\r\na,b\r\n1,2\r\n--b--\r\n'
)
_CHECKED = (
    "Authentication-Results: mx.google.com; spf=pass smtp.mailfrom=bank.example; dkim=pass header.d=bank.example;"
    " dmarc=pass header.from=bank.example\r\nFrom: Bank <news@bank.example>\r\nSubject: your statement\r\n"
)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A user with mail. before: a time before the last changes."""

    user: User
    key: str
    before: datetime


def fill(archive: Archive, email: str = "me@example.com") -> Mailbox:
    """Back the mail up, then remove the label of one message and delete another."""
    user, key = archive.add_user(email)
    analysers = configured(AnalysisConfig(plugins=False))
    assert analysers is not None
    analyse = analysers.of_new_mail
    letters = [
        (number + 1, ["INBOX", "UNREAD"] if number % 7 == 0 else ["INBOX"], letter.raw)
        for number, letter in enumerate(generate(LETTERS, 7, hostile=True))
        if len(letter.raw) < 1 << 20
    ]
    archive.commit(user, letters, analyse=analyse)
    archive.commit(user, [(0x600 + n, ["INBOX", "STARRED"], _hostile(n)) for n in range(len(HOSTILE))], analyse=analyse)
    answers = [_head(f"Re: lunch\r\nFrom: Person {n} <p{n}@example.com>") + b"\r\nAt noon.\r\n" for n in range(4)]
    archive.commit(
        user, [(_CONVERSATION + n, ["INBOX", "Label_1"], raw) for n, raw in enumerate(answers)], thread_id=_CONVERSATION
    )
    own = [(0x800, ["INBOX"], _FILE.encode()), (0x801, ["INBOX"], f"{_CHECKED}\r\nHello.\r\n".encode())]
    archive.commit(user, own, analyse=analyse)
    before = archive.present(user)
    changes = [LabelChange(user.user_id, 0x801, "INBOX", False, 50)]
    archive.commit(user, [], changes)
    return Mailbox(user, key, before)


def _head(subject: str) -> bytes:
    return f"Subject: {subject}\r\nTo: me@example.com\r\nMIME-Version: 1.0\r\n".encode()


def _hostile(number: int) -> bytes:
    headers, body = list(HOSTILE.values())[number]
    sender = "" if "From:" in headers else "From: Mallory <m@example.net>\r\n"
    return f"{sender}To: me@example.com\r\nMIME-Version: 1.0\r\n{headers}\r\n{body}\r\n".encode()
