"""Calls about the mailbox as a whole: profile and labels."""

from typing import Any

from cluster.simulator.answers import GoogleError, invalid, not_found
from cluster.simulator.call import Call
from cluster.simulator.mailbox import SYSTEM_LABELS

Document = dict[str, Any]


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
    return _label(call, call.mailbox.create_label(_new_name(call)))


def update_label(call: Call) -> Document:
    _own(call)
    call.mailbox.labels[call.ids[0]] = _new_name(call)
    return _label(call, call.ids[0])


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
    if not isinstance(name, str) or not name.strip():
        raise invalid("Invalid label name")
    taken = {label.lower() for label_id, label in call.mailbox.labels.items() if label_id not in call.ids}
    if name.lower() in taken or name.upper() in SYSTEM_LABELS:
        raise GoogleError(409, "aborted", "Label name exists or conflicts")
    return name


def _label(call: Call, label_id: str) -> Document:
    if label_id in SYSTEM_LABELS:
        return {"id": label_id, "name": label_id, "type": "system"}
    return {
        "id": label_id,
        "name": call.mailbox.labels[label_id],
        "messageListVisibility": "show",
        "labelListVisibility": "labelShow",
        "type": "user",
    }
