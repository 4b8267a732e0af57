"""What each label of an archive is in another mailbox: the same, one that is there, a new one, or none. Pure.

Names that Gmail keeps for itself are mapped: it refuses a label that is called like one of its own, in the language of
the account as well, and says only "Invalid label name". So the table below need not be complete: a name that is refused
all the same is mapped in the same way (`renamed`).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from jobs.gmail.records import Label

#: What is added to a name that cannot be had.
SUFFIX = " (restored)"
_NAME_MAX_CHARS = 225

#: System labels that Gmail puts on messages by itself and refuses from others.
_NEVER_IMPORTED = frozenset({"CHAT"})
_SHOWN_AS = {"CHAT": "Chats", "DRAFT": "Drafts", "SENT": "Sent"}

#: Names that Gmail refuses, in lower case: its own words, and its labels as accounts of other languages show them.
#: Sources: the issues of got-your-back (82, 95, 135, 350, 429, 442, 449), and Gmail's interface in these languages.
RESERVED = frozenset(
    name.strip()
    for names in (
        "inbox, sent, sent mail, draft, drafts, trash, bin, spam, junk, starred, important, unread, read, chat, chats",
        "all mail, allmail, archived, muted, snoozed, scheduled, outbox, migrated, todo, todos, buzz, voicemail",
        "posteingang, gesendet, entwürfe, papierkorb, markiert, wichtig, ungelesen, alle nachrichten, archiviert",
        "boîte de réception, messages envoyés, brouillons, corbeille, suivis, important, non lu, tous les messages",
        "recibidos, enviado, enviados, borradores, papelera, destacados, importantes, no leído, todos, archivado",
        "posta in arrivo, posta inviata, inviati, bozze, cestino, speciali, importanti, da leggere, tutti i messaggi",
        "caixa de entrada, rascunhos, lixeira, lixo, com estrela, não lidas, todos os e-mails, arquivado",
        "postvak in, verzonden, concepten, prullenbak, met ster, belangrijk, ongelezen, gearchiveerd, alle e-mail",
        "odebrane, wysłane, wersje robocze, kosz, oznaczone gwiazdką, ważne, nieprzeczytane, wszystkie",
        "inkorgen, skickat, utkast, papperskorgen, stjärnmärkt, viktigt, oläst, indbakke, sendt, kladder, papirkurv",
        "innboks, søppelpost, saapuneet, lähetetyt, luonnokset, roskakori, doručená pošta, odeslaná pošta, koncepty",
        "gelen kutusu, gönderilmiş postalar, taslaklar, çöp kutusu, входящие, отправленные, черновики, корзина, спам",
        "вхідні, надіслані, чернетки, кошик, 受信トレイ, 送信済みメール, 下書き, ゴミ箱, 迷惑メール, スター付き",
        "收件箱, 已发邮件, 草稿, 已删除邮件, 垃圾邮件, 收件匣, 寄件備份, 垃圾桶",
        "받은편지함, 보낸편지함, 임시보관함, 휴지통",
        "البريد الوارد, المرسلة, المسودات, المهملات, דואר נכנס, דואר יוצא, טיוטות, אשפה, beérkező levelek, piszkozatok",
    )
    for name in names.split(",")
)


@dataclass(frozen=True, slots=True)
class LabelStep:
    """What to do about one label of the archive.

    label: as the archive has it. target_id: its id in the target; None: it has to be created as `name`.
    outcome: kept (the same id), found (a label of that name is there), created, or mapped (another name).
    is_parent: no message carries it: it only holds others in Gmail's list.
    """

    label: Label
    name: str
    target_id: str | None
    outcome: str
    detail: str = ""
    is_parent: bool = False


def plan_labels(used: Sequence[Label], target: Sequence[Label], defined: Sequence[Label] = ()) -> list[LabelStep]:
    """What to do about the labels of the messages that are restored, parents before their children.

    Args:
        used: labels that the messages carry, as the archive defines them.
        target: labels of the target mailbox.
        defined: all labels of the archive: a parent is created as it is defined there.
    """
    system = {label.id for label in target if label.type == "system"}
    by_name = {_key(label.name or label.id): label for label in target if label.type == "user"}
    steps = [_system(label, system, by_name) for label in used if label.type == "system"]
    users = [label for label in used if label.type != "system"]
    named = {_key(label.name or label.id): label for label in defined if label.type != "system"}
    wanted = {_key(label.name or label.id) for label in users}
    for label in users:
        if _key(label.name or label.id) in by_name:  # it is there, with or without the labels above it
            continue
        for parent in _parents(label.name or label.id):
            if _key(parent) not in wanted and _key(parent) not in by_name:
                wanted.add(_key(parent))
                look = named.get(_key(parent), Label("", parent, "user"))
                steps.append(_user(replace(look, id=f"parent:{parent}"[:255]), by_name, is_parent=True))
    steps += [_user(label, by_name) for label in users]
    return sorted(steps, key=lambda step: (step.name.count("/"), _key(step.name), step.label.id))


def renamed(step: LabelStep, reason: str, taken: Collection[str]) -> LabelStep:
    """The step for a name that Gmail refused. `taken`: names of the target, as `Label` has them."""
    used = {_key(name) for name in taken}
    name = next(name for name in _alternatives(step.name) if _key(name) not in used)
    shown = step.label.name or step.label.id
    return replace(step, name=name, target_id=None, outcome="mapped", detail=f"{shown!r} becomes {name!r}: {reason}")


def plain(step: LabelStep, reason: str) -> LabelStep:
    """The step for a label whose look Gmail refused: it is created without colour."""
    return replace(step, label=replace(step.label, color=""), detail=f"without its colour: {reason}")


def stand_in(label_id: str) -> Label:
    """A label in place of a system label that Gmail refuses on a message."""
    shown = _SHOWN_AS.get(label_id, label_id.removeprefix("CATEGORY_").capitalize())
    return Label(label_id, shown + SUFFIX, "user")


def _system(label: Label, system: Collection[str], by_name: dict[str, Label]) -> LabelStep:
    if label.id in system and label.id not in _NEVER_IMPORTED:
        return LabelStep(label, label.id, label.id, "kept")
    substitute = stand_in(label.id)
    name = substitute.name or label.id
    found = by_name.get(_key(name))
    detail = f"Gmail takes no {label.id} from outside: {name!r} marks these messages"
    return LabelStep(label, name, found.id if found else None, "mapped", detail)


def _user(label: Label, by_name: dict[str, Label], is_parent: bool = False) -> LabelStep:
    name = label.name or label.id
    found = by_name.get(_key(name))
    if found is not None:
        same = found.id == label.id
        detail = "" if same or found.name == name else f"{name!r} is called {found.name!r} there"
        return LabelStep(label, found.name or found.id, found.id, "kept" if same else "found", detail, is_parent)
    step = LabelStep(label, name, None, "created", "", is_parent)
    reason = _unusable(name)
    if not reason:
        return step
    step = renamed(step, reason, ())
    found = by_name.get(_key(step.name))  # of an earlier restore
    return replace(step, target_id=found.id) if found else step


def _unusable(name: str) -> str:
    if len(name) > _NAME_MAX_CHARS:
        return f"Gmail allows {_NAME_MAX_CHARS} characters"
    if any(not part.strip() for part in name.split("/")):
        return "a part of the name is empty"
    return "Gmail keeps the name for itself" if _key(name) in RESERVED else ""


def _alternatives(name: str) -> Iterator[str]:
    base = "/".join(part.strip() or "_" for part in name.split("/"))[: _NAME_MAX_CHARS - len(SUFFIX) - 4]
    yield base + SUFFIX
    for number in range(2, 1000):
        yield f"{base}{SUFFIX[:-1]} {number})"


def _parents(name: str) -> list[str]:
    """The names that a name is below, outermost first; none where a part of it is empty."""
    parts = name.split("/")
    if any(not part.strip() for part in parts):
        return []
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _key(name: str) -> str:
    return name.strip().lower()
