"""Wrong answers with status 200, and other ways in which a server deviates from its documentation.

`faults.py` fails calls; this changes what a call that succeeds says. A deviation is asked for by rule (`Rule`: which
calls, what changes, how often), or drawn from a seed for a share of all calls. No clock, no I/O; routes.py asks.

Kinds: of any answer "empty", "error-object", "missing", "null", "type", "huge", "set", "portal", "array", "no-content"
(204), "redirect" (302), "gzip" (which nobody asked for), "gzip-broken", "refuse" (a status and a reason); of listings
"omit", "shift", "loop", "repeat", "reorder", "endless"; of histories also "lag"; of a message "not-found", "raw-empty",
"raw-cut"; of messages, listings and histories "thread" (well-formed thread ids that are wrong).
"""

import copy
import gzip
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson
from pydantic import BaseModel, Field

from cluster.simulator.answers import Answer, GoogleError, not_found

Document = dict[str, Any]

#: Kinds that any call can show, and those of calls that list.
_ANY = (
    "empty",
    "error-object",
    "missing",
    "null",
    "type",
    "huge",
    "portal",
    "array",
    "no-content",
    "redirect",
    "gzip",
    "gzip-broken",
)
_LISTS: Mapping[str, str] = {"messages.list": "messages", "history.list": "history", "labels.list": "labels"}
_OF_METHOD: Mapping[str, tuple[str, ...]] = {
    "messages.list": (*_ANY, "omit", "shift", "loop", "repeat", "reorder", "thread"),
    "history.list": (*_ANY, "omit", "lag", "loop", "repeat", "reorder", "thread"),
    "labels.list": (*_ANY, "omit", "repeat"),
    "messages.get": (*_ANY, "not-found", "raw-empty", "raw-cut", "thread"),
}
_PORTAL = b"<!DOCTYPE html><html><body><h1>Sign in to the network</h1></body></html>"
_HUGE_TEXT = "9" * 100_000


class Rule(BaseModel, frozen=True):
    """Which calls deviate, and how."""

    kind: str = Field(description="see the module")
    method: str = Field("", description='as the quota table names it, such as "messages.list"; empty: any')
    email: str = Field("", description="only calls for this user")
    label: str | None = Field(None, description="only listings of this label; empty: only of all mail")
    ids: tuple[str, ...] = Field((), description="only these messages; of listings: these are left out")
    each: bool = Field(False, description="once per message, instead of `times`")
    times: int | None = Field(1, description="calls that deviate; null: all, until the rules are replaced")
    path: str = Field("", description='a place in the answer, such as "messages.0.id"; empty: drawn')
    value: Any = Field(None, description="of the kind set: what is put there; of refuse: [status, reason]")
    share: float = Field(0.2, description="of what a listing leaves out, where `ids` names nothing")


class DeviationPlan(BaseModel, frozen=True):
    """The deviations to make. rate: share of calls that deviate at random, by `seed`; kinds: empty for all."""

    rules: tuple[Rule, ...] = ()
    rate: float = Field(0.0, ge=0, le=1)
    seed: int = 0
    kinds: tuple[str, ...] = ()


@dataclass(slots=True)
class _Active:
    """A rule at work."""

    rule: Rule
    left: int | None
    seen: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Answered:
    """The call that an answer is of. `label`: of a listing; empty: all mail."""

    method: str
    email: str
    ids: tuple[str, ...]
    label: str
    page_token: str


class Deviations:
    """Decides which responses deviate and how; counts the deviations."""

    def __init__(self) -> None:
        self.injected: Counter[str] = Counter()
        self.lag_from: dict[str, int] = {}  # user -> history id after which records are held back
        self.set(DeviationPlan())

    def set(self, plan: DeviationPlan) -> None:
        """Replace the plan."""
        self._rules = [_Active(rule, rule.times) for rule in plan.rules]
        self._rate, self._kinds = plan.rate, plan.kinds
        self._random = Random(plan.seed)  # noqa: S311 - repeatable, not secret
        self.lag_from.clear()

    def hold_back(self, email: str, history_id: int) -> None:
        """Make a user's history lag: later records are omitted, but responses contain the current history id."""
        self.lag_from.setdefault(email, history_id)

    @property
    def idle(self) -> bool:
        """Nothing deviates: spares the calls."""
        return not self._rules and not self._rate

    def of_call(self, call: Answered, document: Document) -> Document | Answer:
        """Return the response to send in place of `document`.

        Raises:
            GoogleError: 404, though the message is there; what a rule refuses.
        """
        for active in self._rules:
            if self._applies(active, call):
                document_or_answer = self._deviate(active.rule, call, document)
                if isinstance(document_or_answer, Answer):
                    return document_or_answer
                document = document_or_answer
        if self._rate and self._random.random() < self._rate:
            kinds = _OF_METHOD.get(call.method, _ANY)
            kinds = tuple(kind for kind in kinds if not self._kinds or kind in self._kinds)
            if kinds:
                return self._deviate(Rule(kind=self._random.choice(kinds)), call, document)
        return document

    def _applies(self, active: _Active, call: Answered) -> bool:
        rule = active.rule
        if rule.method not in ("", call.method) or rule.email not in ("", call.email):
            return False
        if rule.label is not None and rule.label != call.label:
            return False
        if rule.ids and call.ids and not set(rule.ids) & set(call.ids):
            return False
        if rule.each:
            key = "/".join(call.ids)
            if key in active.seen:
                return False
            active.seen.add(key)
            return True
        if active.left == 0:
            return False
        if active.left is not None:
            active.left -= 1
        return True

    def _deviate(self, rule: Rule, call: Answered, document: Document) -> Document | Answer:
        kind = rule.kind
        self.injected[kind] += 1
        if kind == "not-found":
            raise not_found()
        if kind == "portal":
            return Answer(200, _PORTAL, "text/html; charset=utf-8")
        if kind == "no-content":
            return Answer(204, b"")
        if kind == "redirect":
            return Answer(302, b"", "text/html", (("Location", "http://127.0.0.1:9/login"),))
        if kind in ("gzip", "gzip-broken"):
            packed = gzip.compress(orjson.dumps(document), mtime=0)
            body = packed if kind == "gzip" else packed[: len(packed) // 2] + b"\0" * 40
            return Answer(200, body, headers=(("Content-Encoding", "gzip"),))
        if kind == "refuse":
            status, reason = rule.value
            raise GoogleError(status, reason, "Not now.")
        if kind == "array":
            return Answer(200, b"[]")
        if kind == "empty":
            return {}
        if kind == "error-object":
            return {"error": {"code": 500, "message": "Internal error encountered.", "status": "INTERNAL"}}
        if kind in ("endless", "loop"):
            return document | {"nextPageToken": self._token(kind, call, document)}
        if kind in ("raw-empty", "raw-cut"):
            return _with_raw(document, kind)
        if kind == "thread":
            thread_id = f"1{self._random.getrandbits(60):015x}"
            found: Document = _rethreaded(orjson.loads(orjson.dumps(document)), thread_id)
            return found
        if kind in ("omit", "shift", "repeat", "reorder", "lag"):
            return self._listed(rule, call, document)
        return _placed(rule, document, self._random)

    def _token(self, kind: str, call: Answered, document: Document) -> str:
        """A page token that the server accepts: a new one, or the same again."""
        number = self.injected["endless"]
        if call.method == "history.list":
            return f"{document.get('historyId', 1)}.{number if kind == 'endless' else 1}"
        return f"{number}.{'1' * 16}" if kind == "endless" else call.page_token or f"1.{'1' * 16}"

    def _listed(self, rule: Rule, call: Answered, document: Document) -> Document:
        name = _LISTS.get(call.method, "")
        items = list(document.get(name, ()))
        if not items:
            return document
        if rule.kind == "lag":  # as if the present had not come yet, though the answer names its history id
            items = items[: len(items) // 2]
            document = {key: value for key, value in document.items() if key != "nextPageToken"}
        elif rule.kind == "shift":
            items = items[1:] if call.page_token else items
        elif rule.kind == "repeat":
            items += self._random.choices(items, k=2)
        elif rule.kind == "reorder":
            self._random.shuffle(items)
        elif rule.ids:
            items = [item for item in items if item.get("id") not in rule.ids]
        else:
            items = [item for item in items if self._random.random() >= rule.share]
        rest = {key: value for key, value in document.items() if key != name}
        return ({name: items} if items else {}) | rest


def _rethreaded(value: Any, thread_id: str) -> Any:
    """The value with this thread id wherever one stands."""
    if isinstance(value, list):
        return [_rethreaded(item, thread_id) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: thread_id if key == "threadId" else _rethreaded(item, thread_id) for key, item in value.items()}


def _with_raw(document: Document, kind: str) -> Document:
    raw = document.get("raw")
    if raw is None:
        return document
    text = orjson.loads(orjson.dumps(raw))
    return document | {"raw": "" if kind == "raw-empty" else text[: len(text) // 8 * 4]}


def _placed(rule: Rule, document: Document, random: Random) -> Document:
    """A copy in which one place is missing, null, of another type, too large, or what the rule sets."""
    if isinstance(document.get("raw"), orjson.Fragment):
        document = orjson.loads(orjson.dumps(document))
    changed = copy.deepcopy(document)
    path = rule.path.split(".") if rule.path else _drawn(changed, random)
    holder: Any = changed
    for step in path[:-1]:
        if isinstance(holder, list):
            holder = holder[int(step)] if int(step) < len(holder) else None
        else:
            holder = holder.get(step)
        if not isinstance(holder, dict | list) or not holder:
            return changed
    if not path:
        return changed
    key: Any = int(path[-1]) if isinstance(holder, list) else path[-1]
    if isinstance(holder, list) and key >= len(holder):
        return changed
    if rule.kind == "missing":
        if isinstance(holder, list):
            del holder[key]
        else:
            holder.pop(key, None)
    else:
        before = holder[key] if isinstance(holder, list) else holder.get(key)
        holder[key] = _value(rule, before)
    return changed


def _value(rule: Rule, before: Any) -> Any:
    if rule.kind == "set":
        return rule.value
    if rule.kind == "null":
        return None
    if rule.kind == "huge":
        return _HUGE_TEXT
    return {"unexpected": True} if isinstance(before, str | int | list) else "unexpected"


def _drawn(document: Any, random: Random) -> list[str]:
    """A place in a document, drawn from all depths."""
    path: list[str] = []
    holder = document
    while isinstance(holder, dict | list) and holder:
        keys: Iterable[Any] = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = random.choice(list(keys))
        path.append(str(key))
        holder = holder[key]
        if random.random() < 0.3:
            break
    return path
