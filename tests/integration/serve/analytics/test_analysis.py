"""What analysis says of a mailbox in numbers is what asking the analysers message by message gives."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest

from jobs.analysis.config import AnalysisConfig
from jobs.analysis.mail import Mail
from jobs.analysis.registry import BUILT_IN
from jobs.analysis.running import configured
from jobs.mime.parser import parse
from storage.mailbox.label_judgement import CATEGORIES
from tests.integration.serve.conftest import FIRST_AT, Archive, signed_in

PATH = "/api/v1/analytics"
LABELS = (
    (),
    ("CATEGORY_PERSONAL",),
    ("CATEGORY_PROMOTIONS", "CATEGORY_UPDATES"),
    ("CATEGORY_UPDATES",),
    ("CATEGORY_SOCIAL",),
)
TEXTS = (
    "This is great, I love it, thank you so much for the wonderful help!",
    "This is terrible. I hate the awful delay and I am very angry about it.",
    "Können wir uns am Donnerstag treffen, um über das Budget zu sprechen?",
    "Save 50% in our sale! Great offer, use this coupon, free shipping",
    "12345",
)
HEADS = (
    "From: Ann <ann@example.com>",
    "From: no-reply@shop.example\r\nList-Unsubscribe: <https://shop.example/u>",
    'From: "support@paypal.com" <x@paypa1.com>\r\nReply-To: y@elsewhere.example',
    "From: a@x.example\r\nAuthentication-Results: mx.google.com; spf=softfail x; dkim=fail y; dmarc=fail z",
    "From: b@y.example\r\nAuthentication-Results: mx.google.com; spf=pass x; dkim=pass y; dmarc=pass z",
)
FILE = (
    "\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n{}\r\n--b\r\n"
    "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=bill.pdf\r\n\r\nMZ runs\r\n--b--\r\n"
)


@dataclass(frozen=True)
class Letter:
    """A message, and what analysers say of it; nothing when it was not analysed."""

    message_id: int
    received_at: datetime
    raw: bytes
    analysed: bool
    starred: bool
    labels: tuple[str, ...] = ()

    def said(self, analyser: str) -> dict[str, Any]:
        found = next(each for each in BUILT_IN if each.name == analyser)
        names = [name for name, _ in found.fields]
        answer = found.analyse(Mail(parse(self.raw))) if self.analysed else None
        return dict.fromkeys(names) if answer is None else dict(zip(names, answer, strict=True))


async def mailbox(
    client: httpx.AsyncClient, archive: Archive, seed: int, email: str = "ann@example.com"
) -> tuple[dict[str, str], list[Letter]]:
    random = Random(seed)
    user, key = archive.add_user(email)
    analysers = configured(AnalysisConfig(plugins=False))
    assert analysers is not None
    made: list[Letter] = []
    for analysed in (True, False, True):  # one segment each
        letters: list[Letter] = []
        for _ in range(random.randint(3, 12)):
            head, text = random.choice(HEADS), random.choice(TEXTS)
            rest = FILE.format(text) if random.random() < 0.2 else f"\r\n\r\n{text}\r\n"
            at = FIRST_AT + timedelta(days=random.randint(0, 100))
            number = len(made) + len(letters) + 1
            raw = f"{head}\r\nSubject: number {number}{rest}".encode()
            letters.append(Letter(number, at, raw, analysed, random.random() < 0.3, random.choice(LABELS)))
        archive.commit(
            user,
            [(each.message_id, ["STARRED" if each.starred else "INBOX", *each.labels], each.raw) for each in letters],
            received_at=[each.received_at for each in letters],
            analyse=analysers.of_new_mail if analysed else None,
        )
        made += letters
    return await signed_in(client, key), made


@pytest.mark.parametrize("seed", range(3))
async def test_judgements_are_those_of_the_analysers(client: httpx.AsyncClient, archive: Archive, seed: int) -> None:
    headers, everything = await mailbox(client, archive, seed)
    until = FIRST_AT + timedelta(days=50)
    for params, found in (
        ({}, everything),
        ({"to": until.isoformat()}, [each for each in everything if each.received_at < until]),
        ({"q": "is:starred"}, [each for each in everything if each.starred]),
        ({"q": "coupon"}, [each for each in everything if b"coupon" in each.raw]),
        ({"q": "nowhere"}, []),
    ):

        async def ask(route: str, params: dict[str, str] = params) -> Any:
            answer = await client.get(f"{PATH}/{route}", params=params, headers=headers)
            assert answer.status_code == 200, answer.text
            return answer.json()

        counts = Counter(each.said("language")["code"] for each in found)
        languages, categories = await ask("languages"), await ask("categories")
        assert {each["language"]: each["messages"] for each in languages["items"]} == counts, params
        assert {each["category"]: each["messages"] for each in categories["items"]} == Counter(map(category, found))
        for told in (languages["items"], categories["items"]):
            assert sum(each["size_bytes"] for each in told) == sum(len(each.raw) for each in found)
        check_agreement(categories["agreement"], found)
        await check_sentiment(await ask("sentiment"), found)
        check_security(await ask("security"), found)


def category(letter: Letter) -> str | None:
    """Gmail's category, unless the analyser's is a finer one."""
    ours: str | None = letter.said("category")["name"]
    gmail = next((CATEGORIES[label] for label in letter.labels if label in CATEGORIES), None)
    if not letter.analysed or gmail is None or (gmail == "notification" and ours in ("receipt", "travel")):
        return ours
    return gmail


def check_agreement(told: Any, found: list[Letter]) -> None:
    judged = [each for each in found if each.analysed and not CATEGORIES.keys().isdisjoint(each.labels)]
    assert sum(each["messages"] for each in told) == len(judged)
    same = [each for each in judged if each.said("category")["name"] == category(each)]
    assert sum(each["agreed"] for each in told) == len(same)
    assert sum(each["undecided"] for each in told) == sum(each.said("category")["name"] is None for each in judged)


async def check_sentiment(told: Any, found: list[Letter]) -> None:
    scores: defaultdict[str | None, list[float]] = defaultdict(list)
    months: defaultdict[datetime, list[float]] = defaultdict(list)
    for each in found:
        said = each.said("sentiment")
        scores[said["label"]].append(said["score"] or 0.0)
        if said["label"] is not None:
            months[each.received_at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)].append(said["score"])
    assert {each["label"]: each["messages"] for each in told["items"]} == {
        key: len(all_) for key, all_ in scores.items()
    }
    for each in told["items"]:
        all_ = scores[each["label"]]
        expected = None if each["label"] is None else pytest.approx(sum(all_) / len(all_), abs=1e-6)
        assert each["score"] == expected
    assert [datetime.fromisoformat(each["month"]) for each in told["months"]] == sorted(months)
    for each in told["months"]:
        all_ = months[datetime.fromisoformat(each["month"]).astimezone(UTC)]
        assert (each["messages"], each["score"]) == (len(all_), pytest.approx(sum(all_) / len(all_), abs=1e-6))


def check_security(told: Any, found: list[Letter]) -> None:
    said = {each.message_id: {**each.said("authenticity"), **each.said("attachmentkinds")} for each in found}
    rows = list(said.values())
    assert told["totals"] == {
        "messages": len(found),
        "analysed": sum(each.analysed for each in found),
        "checked": sum(bool(row["spf"] and {row["spf"], row["dkim"], row["dmarc"]} != {"absent"}) for row in rows),
        "spf_failed": sum(row["spf"] in ("fail", "softfail") for row in rows),
        "dkim_failed": sum(row["dkim"] == "fail" for row in rows),
        "dmarc_failed": sum(row["dmarc"] == "fail" for row in rows),
        "lookalikes": sum(bool(row["lookalike_of"]) for row in rows),
        "reply_to_differs": sum(bool(row["reply_to_differs"]) for row in rows),
        "name_differs": sum(bool(row["name_differs"]) for row in rows),
        "executables": sum(bool(row["executables"]) for row in rows),
        "disguised_files": sum(bool(row["mismatches"]) for row in rows),
    }
    suspicious = {
        f"{number:x}"
        for number, row in said.items()
        if row["dmarc"] == "fail"
        or row["lookalike_of"]
        or row["name_differs"]
        or row["executables"]
        or row["mismatches"]
    }
    assert len(told["items"]) == min(len(suspicious), 20)
    assert {each["id"] for each in told["items"]} <= suspicious
    times = [each["received_at"] for each in told["items"]]
    assert times == sorted(times, reverse=True)


async def test_operators_are_told_of_all_mailboxes_together(client: httpx.AsyncClient, archive: Archive) -> None:
    everything = []
    for seed, email in enumerate(("ann@example.com", "bob@example.com", "carol@example.com")):
        everything += (await mailbox(client, archive, seed, email))[1]
    headers = await signed_in(client, archive.add_user("operator@example.com", "operator")[1])

    async def ask(route: str) -> list[dict[str, Any]]:
        answer = await client.get(f"/api/v1/admin/analytics/{route}", headers=headers)
        assert answer.status_code == 200, answer.text
        assert "example" not in answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    analysed = [each for each in everything if each.analysed]
    for question, analyser, field in (
        ("categories", "category", "name"),
        ("languages", "language", "code"),
        ("sentiment", "sentiment", "label"),
    ):
        told = {each["what"]: each["messages"] for each in await ask(f"analysis/{question}")}
        assert told == Counter(each.said(analyser)[field] for each in analysed), question
    signs = {each["what"]: each["messages"] for each in await ask("analysis/security")}
    assert signs["analysed"] == len(analysed)
    assert signs["dmarc_failed"] == sum(each.said("authenticity")["dmarc"] == "fail" for each in analysed)
    assert signs["executables"] == sum(bool(each.said("attachmentkinds")["executables"]) for each in analysed)
    hours = Counter((each.received_at.isoweekday(), each.received_at.hour) for each in everything)
    assert {(each["weekday"], each["hour"]): each["messages"] for each in await ask("activity")} == hours
    for day, status in (("2024-05-01", 200), ("0", 422), ("2024-05-01T00:00:00Z", 422)):
        answer = await client.get("/api/v1/admin/analytics/timeline", params={"from": day}, headers=headers)
        assert answer.status_code == status, (day, answer.text)
    labels = Counter(label for each in everything for label in ("STARRED" if each.starred else "INBOX", *each.labels))
    assert {each["label"]: each["messages"] for each in await ask("labels")} == labels


async def test_a_message_carries_what_was_said_of_it(client: httpx.AsyncClient, archive: Archive) -> None:
    headers, everything = await mailbox(client, archive, 1)
    for each in everything:
        told = (await client.get(f"/api/v1/emails/{each.message_id:x}", headers=headers)).json()["analysis"]
        if not each.analysed:
            assert told is None
            continue
        assert {*told} == {analyser.name for analyser in BUILT_IN}
        assert (told["category"]["name"], told["category"]["ours"]) == (category(each), each.said("category")["name"])
        assert told["summary"]["version"] == 2
        assert told["authenticity"]["warnings"] == each.said("authenticity")["warnings"]
    sql = "SELECT a.language.code, count(*) FROM analysis AS a JOIN messages AS m ON m.id = a.message_id GROUP BY 1"
    rows = (await client.post(f"{PATH}/query", json={"sql": sql}, headers=headers)).json()["rows"]
    assert dict(map(tuple, rows)) == Counter(each.said("language")["code"] for each in everything if each.analysed)


async def test_mail_in_spam_has_no_high_priority(client: httpx.AsyncClient, archive: Archive) -> None:
    user, key = archive.add_user("ann@example.com")
    analysers = configured(AnalysisConfig(plugins=False))
    assert analysers is not None
    text = "Can you review the draft of the report today? The meeting about the project is on Thursday, it is urgent."
    raw = f"From: Bob <bob@b.example>\r\nTo: ann@example.com\r\nIn-Reply-To: <1@x>\r\nSubject: Draft\r\n\r\n{text}\r\n"
    labelled = [(1, ["INBOX"], raw.encode()), (2, ["SPAM"], raw.replace("Draft", "Draft 2").encode())]
    sent = b"From: ann@example.com\r\nTo: Bob <bob@b.example>\r\nSubject: Report\r\n\r\nHere is the draft.\r\n"
    archive.commit(user, [(3, ["SENT"], sent)], received_at=[FIRST_AT], analyse=analysers.of_new_mail)
    later = FIRST_AT + timedelta(hours=1)
    archive.commit(user, labelled, received_at=[later, later], analyse=analysers.of_new_mail)
    headers = await signed_in(client, key)

    one, two = [(await client.get(f"/api/v1/emails/{number}", headers=headers)).json()["analysis"] for number in (1, 2)]
    assert (one["priority"]["level"], two["priority"]["level"]) == ("high", "low")
    assert (one["priority"]["source"], two["priority"]["source"]) == ("mailbox", "gmail")
    assert (one["category"]["name"], one["category"]["source"]) == ("work", "mailbox")
    assert one["category"]["reasons"] == ["messages that you wrote to the sender before: 1"]
    assert two["priority"]["reasons"][-1] == "-label SPAM"
    for columns, level in (("*", "priority.level"), ("priority.level AS level", "level")):
        sql = f"SELECT {level} AS level FROM (SELECT {columns} FROM analysis) WHERE {level} IS NOT NULL ORDER BY 1"
        rows = (await client.post(f"{PATH}/query", json={"sql": sql}, headers=headers)).json()["rows"]
        assert rows == [["high"], ["low"]], sql
    sql = "SELECT message_id, written_before, is_sent FROM acquaintances ORDER BY 1"
    rows = (await client.post(f"{PATH}/query", json={"sql": sql}, headers=headers)).json()["rows"]
    assert rows == [["1", 1, False], ["2", 1, False], ["3", 0, True]]
    totals = (await client.get(f"{PATH}/categories", headers=headers)).json()["items"]
    assert {each["category"]: each["messages"] for each in totals} == {"work": 2, "spam_like": 1}
