"""People's lives in the simulated Gmail while it is backed up: mail comes, is labelled, goes. Seeded."""

import json
import random
import urllib.request
from collections import Counter
from typing import Any

_LABELS = ("STARRED", "UNREAD", "IMPORTANT", "INBOX", "TRASH", "Label_1")


class Life:
    """Changes mailboxes through the simulator's control, and remembers what went for good."""

    def __init__(self, gmail: str, seed: int) -> None:
        self.gmail, self._random = gmail, random.Random(seed)
        self.emails: list[str] = [user["email"] for user in self.ask("users")]
        self.deleted: dict[str, set[int]] = {email: set() for email in self.emails}
        self.forgotten: list[str] = []  # whose history Gmail forgot
        self.counts: Counter[str] = Counter()

    def ask(self, path: str, body: bytes | None = None) -> Any:
        """GET, or POST with a body."""
        request = urllib.request.Request(f"{self.gmail}/_sim/{path}", data=body)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def act(self, email: str, what: str, **body: Any) -> Any:
        """Change something of a user."""
        return self.ask(f"users/{email}/{what}", json.dumps(body).encode())

    def held(self, email: str) -> dict[int, dict[str, Any]]:
        """{sha256, labels} of every message by id, as Gmail has it."""
        return {int(found["id"], 16): found for found in self.ask(f"users/{email}/messages")}

    def misbehave(self, rate: float, kinds: list[str]) -> None:
        """Have this share of Gmail's calls fail."""
        self.ask("faults", json.dumps({"rate": rate, **({"kinds": kinds} if kinds else {})}).encode())

    def go_on(self) -> None:
        """One change of one mailbox."""
        chance, email = self._random, self._random.choice(self.emails)
        held = sorted(self.held(email))
        what = chance.choice(["arrive", "arrive", "label", "label", "delete"]) if held else "arrive"
        if what == "arrive":
            number = self.counts[what]
            body = f"From: life@example.org\r\nTo: {email}\r\nSubject: Arrival {number}\r\n\r\n{chance.random()}\r\n"
            self.ask(f"users/{email}/messages?label=INBOX", body.encode())
        elif what == "label":
            add, remove = chance.sample(_LABELS, 2)
            self.act(email, f"messages/{chance.choice(held):x}/labels", add=[add], remove=[remove])
        else:
            message_id = chance.choice(held)
            self.act(email, f"messages/{message_id:x}/delete")
            self.deleted[email].add(message_id)
        self.counts[what] += 1
