"""Mail that was read wrongly once, through the HTTP API of a running gateway: text, sender, search, names of files.

The inputs are synthetic, one folder for each kind of fault. They are copies of those in ../shared/cases, whose README
has the right values, so that they are read where that folder is not at hand, too.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs.analysis.config import AnalysisConfig
from jobs.analysis.running import configured
from jobs.importing.mail_files import read_mail
from tests.integration.serve.conftest import Archive, mail, signed_in
from tests.integration.serve.running import running

_CASES = Path(__file__).parent / "cases"
#: Where the originals are, if they are at hand.
_SHARED = next((path for up in Path(__file__).parents[5:] if (path := up / "shared" / "cases").is_dir()), None)
#: Of the originals: their description, and the header of the message that the pasted subjects are of.
_NO_INPUT = {"README.md", "13-pasted-subject/message.json"}


class Mailbox:
    """Ann's mailbox, and what the API says of it."""

    def __init__(self, archive: Archive, client: httpx.AsyncClient) -> None:
        self._archive, self._client = archive, client
        self._user, self._key = archive.add_user("ann@example.com")
        self._header: dict[str, str] = {}

    def store(self, *raws: bytes) -> None:
        """Back messages up, analysed as new mail is."""
        analysers = configured(AnalysisConfig(plugins=False))
        assert analysers is not None
        messages = [(0x10 * number, ["INBOX"], raw) for number, raw in enumerate(raws, 1)]
        self._archive.commit(self._user, messages, analyse=analysers.of_new_mail)

    async def get(self, path: str, **params: str) -> httpx.Response:
        self._header = self._header or await signed_in(self._client, self._key)
        answer = await self._client.get(f"/api/v1/{path}", params=params, headers=self._header)
        assert answer.status_code == 200, (path, params, answer.text)
        return answer

    async def found(self, query: str) -> list[str]:
        return [item["id"] for item in (await self.get("emails", q=query)).json()["items"]]

    async def email(self, message_id: str = "10") -> dict[str, Any]:
        document: dict[str, Any] = (await self.get(f"emails/{message_id}")).json()
        return document


@pytest.fixture
async def mailbox(archive: Archive) -> AsyncIterator[Mailbox]:
    """Behind a gateway that listens on a socket."""
    with running(archive) as url:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            yield Mailbox(archive, client)


def _case(name: str) -> bytes:
    return (_CASES / name).read_bytes()


def test_every_shared_input_is_tested_here() -> None:
    """Its file is a copy, and one of the tests below names it."""
    copies = {str(path.relative_to(_CASES)): path.read_bytes() for path in _CASES.rglob("*") if path.is_file()}
    source = Path(__file__).read_text()

    assert len(copies) == 20
    assert [name for name in copies if f'"{name}"' not in source] == []
    if _SHARED is not None:
        shared = {str(path.relative_to(_SHARED)): path.read_bytes() for path in _SHARED.rglob("*") if path.is_file()}
        assert {name: content for name, content in shared.items() if name not in _NO_INPUT} == copies


@pytest.mark.parametrize(
    ("case", "text", "queries"),
    [
        ("01-iso-2022-jp/nec.eml", "会議は①日程です", ["会議", "日程"]),
        ("01-iso-2022-jp/halfwidth.eml", "ﾃｽﾄ", ["テスト", "ﾃｽﾄ", "subject:テスト"]),
        ("01-iso-2022-jp/undeclared.eml", "会議は明日です", ["会議", "明日"]),
        ("02-charset-names/windows-874.eml", "สวัสดี ใบแจ้งหนี้", ["สวัสดี"]),
        ("02-charset-names/x-euc-jp.eml", "見積書", ["見積書"]),
        ("03-quoted-printable/padding.eml", "The invoice number is 42, café at noon\nnext", ["number", "café", "next"]),
        (
            "03-quoted-printable/bare-cr.eml",
            "first line\nsecond part third part\nfourth part\nlast line",
            ["second third fourth last"],
        ),
        ("05-html-meta-charset/gb2312.eml", "会议纪要", ["会议"]),
        ("05-html-meta-charset/iso2022jp.eml", "会議", ["会議"]),
        (
            "07-format-flowed/delsp.eml",
            "The international team agreed.\n\nFrom here on we wait.",
            ["international", '"international team agreed"'],
        ),
        ("07-format-flowed/delsp-ja.eml", "明日の会議は中止です", ["会議"]),
        ("15-bare-cr-shown/cr.eml", "hello from an old Macintosh", ["macintosh", "from:ann macintosh"]),
    ],
)
async def test_text_is_shown_and_found(mailbox: Mailbox, case: str, text: str, queries: list[str]) -> None:
    mailbox.store(_case(case), mail("Nothing of this"))

    assert (await mailbox.email())["text"] == text
    html = (await mailbox.get("emails/10/html")).text
    assert all(line in html for line in text.split("\n")) and "\x1b" not in html
    for query in queries:
        assert await mailbox.found(query) == ["10"], query


@pytest.mark.parametrize(
    ("case", "sender", "domain", "differs"),
    [
        (
            "08-address-before-brackets/spoof.eml",
            "service@bank.example <phisher@evil.example>",
            "evil.example",
            True,
        ),
        (
            "27-comma-in-name/comma.eml",
            "Example account team ,_ <no-reply@mailer.example>",
            "mailer.example",
            False,
        ),
    ],
)
async def test_the_sender_is_the_address_in_brackets(
    mailbox: Mailbox, case: str, sender: str, domain: str, differs: bool
) -> None:
    mailbox.store(_case(case), mail("Nothing of this"))

    email = await mailbox.email()
    assert email["from"] == sender
    assert await mailbox.found(f"from:{domain}") == ["10"]
    authenticity = email["analysis"]["authenticity"]
    assert (authenticity["from_domain"], authenticity["name_differs"]) == (domain, differs)
    senders = (await mailbox.get("analytics/senders")).json()["items"]
    address = sender.partition("<")[2].rstrip(">")
    assert address in [each["address"] for each in senders]


async def test_blanks_in_a_sender_cost_milliseconds(mailbox: Mailbox) -> None:
    began = time.process_time()
    mailbox.store(_case("09-address-time/spaces.eml"))
    spent_s = time.process_time() - began

    assert spent_s < 1, "60 KB of blanks cost 10 s once"
    assert (await mailbox.email())["text"] == "hi"


@pytest.mark.parametrize(
    ("case", "subjects"),
    [("10-mbox-separators/bare.mbox", ["one", "two"]), ("10-mbox-separators/body.mbox", ["one", "two"])],
)
async def test_an_mbox_is_split_where_a_message_begins(mailbox: Mailbox, case: str, subjects: list[str]) -> None:
    mailbox.store(*(found.raw for found in read_mail(_CASES / case)))

    listed = (await mailbox.get("emails")).json()["items"]

    assert [item["subject"] for item in reversed(listed)] == subjects
    assert ("From 10:30 on" in (await mailbox.email())["text"]) == (case == "10-mbox-separators/body.mbox")


async def test_a_pasted_subject_is_found(mailbox: Mailbox) -> None:
    queries = _case("13-pasted-subject/queries.txt").decode().splitlines()
    mailbox.store(mail(queries[0]), mail("Nothing of this"))

    for query in queries:
        assert await mailbox.found(query) == ["10"], query


@pytest.mark.parametrize(
    ("case", "name"),
    [
        ("16-file-names/raw-shift-jis.eml", "資料.pdf"),
        ("16-file-names/words-in-sections.eml", "report 😁😁.docx"),
    ],
)
async def test_files_have_their_names(mailbox: Mailbox, case: str, name: str) -> None:
    mailbox.store(_case(case), mail("Nothing of this"))

    [attachment] = (await mailbox.email())["attachments"]
    assert attachment["filename"] == name
    download = await mailbox.get("emails/10/attachments/0")
    assert download.content == b"data"
    assert "filename*=" in download.headers["content-disposition"]
    assert await mailbox.found(f'filename:"{name}"') == ["10"]
