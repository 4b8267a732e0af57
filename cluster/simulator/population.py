"""Whose mail is what: from sources to mailboxes. Reads disk once, at the start."""

import re
from collections.abc import Iterator

from cluster.simulator.config import SimulatorConfig
from cluster.simulator.generator import generate
from cluster.simulator.mailbox import SimulatedMailbox
from jobs.importing.errors import MailTooLarge
from jobs.importing.mail_files import SourceMail, read_mail

_GENERATED_BY_DEFAULT = 500
_SUFFIXES = re.compile(r"\.(tar\.gz|tgz|tar|mbox|eml)$", re.IGNORECASE)
_NOT_LOCAL = re.compile(r"[^a-z0-9._-]+")


def populate(config: SimulatorConfig) -> dict[str, SimulatedMailbox]:
    """Every user's mailbox by address: one per source, or all mail dealt in turn to `users`.

    Raises:
        MailNotFound, MailUnreadable, MailTooLarge: a source is not usable.
    """
    sources = _read(config)
    if config.users is None:
        shares = {f"{name}@{config.domain}": mail for name, mail in sources.items()}
    else:
        shares = _deal(config, [mail for source in sources.values() for mail in source])
    mailboxes = {}
    for email, mail in shares.items():
        mailboxes[email] = SimulatedMailbox(email)
        mailboxes[email].traces_imports = config.trace_imports
        mailboxes[email].load((each.name, each.raw) for each in mail)
    return mailboxes


def _read(config: SimulatorConfig) -> dict[str, list[SourceMail]]:
    sources: dict[str, list[SourceMail]] = {}
    held_bytes = 0
    for path in config.mail:
        mail = sources[_free_name(path.name, sources)] = []
        for message in read_mail(path):
            held_bytes += len(message.raw)
            if held_bytes > config.mail_max_bytes:
                raise MailTooLarge(f"The mail up to {path}", held_bytes, config.mail_max_bytes)
            mail.append(message)
    count = config.generate
    if count is None:
        count = 0 if config.mail else _GENERATED_BY_DEFAULT
    if count or config.hostile:
        sources[_free_name("generated", sources)] = list(generate(count, config.seed, config.hostile))
    return sources or {"nobody": []}


def _free_name(file_name: str, taken: dict[str, list[SourceMail]]) -> str:
    """The local part of an address, after the file."""
    base = _NOT_LOCAL.sub("-", _SUFFIXES.sub("", file_name).lower()).strip("-.") or "mail"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name


def _deal(config: SimulatorConfig, mail: list[SourceMail]) -> dict[str, list[SourceMail]]:
    users = config.users or 1
    width = len(str(users))
    per_user = config.messages_per_user
    counts = [None] * users if per_user is None else sizes(per_user * users, users, config.uneven)
    return {
        f"user-{number + 1:0{width}d}@{config.domain}": list(_share(mail, number, users, count))
        for number, count in enumerate(counts)
    }


def sizes(messages: int, users: int, exponent: float) -> list[int]:
    """Number of messages per user: proportional to n ** -exponent for the n-th user, at least one."""
    weights = [(number + 1) ** -exponent for number in range(users)]
    return [max(round(messages * weight / sum(weights)), 1) for weight in weights]


def _share(mail: list[SourceMail], number: int, users: int, count: int | None) -> Iterator[SourceMail]:
    if count is None:
        yield from mail[number::users]
    elif mail:
        for index in range(count):
            yield mail[(number + index * users) % len(mail)]
