"""Calls about the mailbox as a whole: profile and labels."""

from typing import Any

from cluster.simulator.answers import GoogleError, invalid, not_found
from cluster.simulator.call import Call
from cluster.simulator.mailbox import SYSTEM_LABELS

Document = dict[str, Any]

_NAME_MAX_CHARS = 225
#: Refused at labels.create, some of them only in accounts of that language; the simulated accounts speak all of these.
_RESERVED = frozenset(
    (
        "allmail",
        "archived",
        "bin",
        "buzz",
        "chats",
        "drafts",
        "migrated",
        "muted",
        "todo",
        "todos",
        "da leggere",
        "enviado",
    )
)
_VISIBILITIES = {
    "messageListVisibility": ("show", "hide"),
    "labelListVisibility": ("labelShow", "labelShowIfUnread", "labelHide"),
}
#: Gmail's palette, by its discovery document: any other colour is refused.
_PALETTE = """
    000000 434343 666666 999999 cccccc efefef f3f3f3 ffffff fb4c2f ffad47 fad165 16a766 43d692 4a86e8
    a479e2 f691b3 f6c5be ffe6c7 fef1d1 b9e4d0 c6f3de c9daf8 e4d7f5 fcdee8 efa093 ffd6a2 fce8b3 89d3b2
    a0eac9 a4c2f4 d0bcf1 fbc8d9 e66550 ffbc6b fcda83 44b984 68dfa9 6d9eeb b694e8 f7a7c0 cc3a21 eaa041
    f2c960 149e60 3dc789 3c78d8 8e63ce e07798 ac2b16 cf8933 d5ae49 0b804b 2a9c68 285bac 653e9b b65775
    822111 a46a21 aa8831 076239 1a764d 1c4587 41236d 83334c 464646 e7e7e7 0d3472 b6cff5 0d3b44 98d7e4
    3d188e e3d7ff 711a36 fbd3e0 8a1c0a f2b2a8 7a2e0b ffc8af 7a4706 ffdeb5 594c05 fbe983 684e07 fdedc1
    0b4f30 b3efd3 04502e a2dcc1 c2c2c2 4986e7 2da2bb b99aff 994a64 f691b2 ff7537 ffad46 662e37 ebdbde
    cca6ac 094228 42d692 16a765 757575 1e53b8 007286 7858c3 c2185b d93025 54240e 633e04 521d28 202124
    083018
"""
_COLORS = frozenset("#" + color for color in _PALETTE.split())


def get_profile(call: Call) -> Document:
    mailbox = call.mailbox
    return {
        "emailAddress": mailbox.email,
        "messagesTotal": len(mailbox.messages),
        "threadsTotal": len(mailbox.threads),
        "historyId": str(mailbox.history_id),
    }


def list_labels(call: Call) -> Document:
    ids = (*SYSTEM_LABELS, *call.mailbox.labels)
    return {"labels": [_label(call, label_id) for label_id in ids]}


def get_label(call: Call) -> Document:
    label_id = call.ids[0]
    if not call.mailbox.knows_label(label_id):
        raise not_found()
    labelled = [m for m in call.mailbox.messages.values() if label_id in m.labels]
    unread = [m for m in labelled if "UNREAD" in m.labels]
    return _label(call, label_id) | {
        "messagesTotal": len(labelled),
        "messagesUnread": len(unread),
        "threadsTotal": len({m.thread_id for m in labelled}),
        "threadsUnread": len({m.thread_id for m in unread}),
    }


def create_label(call: Call) -> Document:
    name, look = _new_name(call), _look(call)
    label_id = call.mailbox.create_label(name)
    call.mailbox.label_looks[label_id] = look
    return _label(call, label_id)


def update_label(call: Call) -> Document:
    """PUT and PATCH: what the document does not name stays."""
    _own(call)
    label_id = call.ids[0]
    if "name" in call.json():
        call.mailbox.labels[label_id] = _new_name(call)
    call.mailbox.label_looks[label_id] = call.mailbox.label_looks.get(label_id, {}) | _look(call)
    return _label(call, label_id)


def delete_label(call: Call) -> None:
    _own(call)
    call.mailbox.delete_label(call.ids[0])


def _own(call: Call) -> None:
    if call.ids[0] in SYSTEM_LABELS:
        raise invalid("Cannot change a system label")
    if call.ids[0] not in call.mailbox.labels:
        raise not_found()


def _new_name(call: Call) -> str:
    name = call.json().get("name")
    if not isinstance(name, str) or not name.strip() or len(name) > _NAME_MAX_CHARS or _is_reserved(name):
        raise invalid("Invalid label name")
    taken = {label.lower() for label_id, label in call.mailbox.labels.items() if label_id not in call.ids}
    if name.lower() in taken or name.upper() in SYSTEM_LABELS:
        raise GoogleError(409, "aborted", "Label name exists or conflicts")
    return name


def _is_reserved(name: str) -> bool:
    """Names that Gmail shows of its own labels, in the language of the account too; and a path with an empty step."""
    return name.lower() in _RESERVED or any(not step.strip() for step in name.split("/"))


def _look(call: Call) -> dict[str, Any]:
    document = call.json()
    look: dict[str, Any] = {}
    for field, allowed in _VISIBILITIES.items():
        if field in document:
            if document[field] not in allowed:
                raise invalid(f"Invalid value at 'label.{field}'")
            look[field] = document[field]
    color = document.get("color")
    if color is not None:
        given = [color.get("textColor"), color.get("backgroundColor")] if isinstance(color, dict) else []
        if len(given) != 2 or not all(value in _COLORS for value in given):
            raise invalid("Label color is not on the allowed color palette")
        look["color"] = {"textColor": given[0], "backgroundColor": given[1]}
    return look


def _label(call: Call, label_id: str) -> Document:
    if label_id in SYSTEM_LABELS:
        return {"id": label_id, "name": label_id, "type": "system"}
    usual = {"messageListVisibility": "show", "labelListVisibility": "labelShow"}
    look = call.mailbox.label_looks.get(label_id, {})
    return {"id": label_id, "name": call.mailbox.labels[label_id], **usual, **look, "type": "user"}
