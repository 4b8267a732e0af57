"""Checks of Google: its addresses answer, this machine's clock agrees with theirs, the quota suffices."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from actors.forecast import forecast
from cluster.doctor.finding import Check, Finding, Level
from cluster.overview import profile_warning
from jobs.gmail.api import Call
from jobs.gmail.config import GOOGLE_TOKEN_URI, GmailConfig
from jobs.gmail.transport import Transport
from storage.db.engines import Databases

#: Seconds until an address counts as unreachable.
_TIMEOUT_S = 10.0
#: Differences of clocks: reported; and beyond what Google accepts in a service account's assertion
#: (developers.google.com/identity/protocols/oauth2/service-account, read 2026-11).
_SKEW, _REFUSED_SKEW = timedelta(seconds=10), timedelta(minutes=5)


def checks(gmail: GmailConfig, databases: Databases | None) -> list[Check]:
    """The checks of Google. databases: None if there are none yet, so that no quota was spent."""
    found: list[Check] = [("Gmail", lambda: addresses(gmail))]
    if databases is not None:
        found.append(("quota", lambda: quota(gmail, databases)))
    return found


def addresses(gmail: GmailConfig) -> Iterator[Finding]:
    """Gmail and the token address answer, whatever the status: no credentials are sent."""
    brief = gmail.model_copy(update={"connect_timeout_s": _TIMEOUT_S, "total_timeout_s": _TIMEOUT_S})
    profile = f"{gmail.endpoint.rstrip('/')}/gmail/v1/users/me/profile"
    token_uri = gmail.token_uri or GOOGLE_TOKEN_URI
    transport = Transport(brief)
    try:
        for name, url in (("Gmail", profile), ("OAuth tokens", token_uri)):
            answer = transport.send(Call("GET", url), "")
            if answer.fault is not None or answer.status == 0:
                remedy = "check the network, the proxy (GBM_GMAIL__PROXY) and the address"
                yield Finding("Gmail", Level.ERROR, f"{name}: {url} does not answer: {answer.fault}", remedy)
                continue
            yield Finding("Gmail", Level.OK, f"{name}: {url} answers")
            yield from _clock(answer.headers.get("date"), datetime.now(UTC))
    finally:
        transport.close()


def quota(gmail: GmailConfig, databases: Databases) -> Iterator[Finding]:
    """The quota profile does not end soon, and today's units stay below the number that Google bills."""
    now = datetime.now(UTC)
    if warning := profile_warning(gmail, now):
        yield Finding("quota", Level.WARNING, warning)
    today = forecast(databases, gmail, now)
    detail = f"profile {gmail.profile}: {today.spent:,} units spent on {today.day} (Pacific time)"
    if today.passes and gmail.allow_paid_units:
        billed = f"{detail}; at this pace Google bills {today.billed_by_midnight:,} units by midnight"
        yield Finding("quota", Level.WARNING, billed, "slow backfills down, or set GBM_GMAIL__ALLOW_PAID_UNITS=false")
    elif today.passes:
        yield Finding(
            "quota", Level.WARNING, f"{detail}; the free units run out today", "nothing: work waits for midnight"
        )
    else:
        yield Finding("quota", Level.OK, detail)


def _clock(date: str | None, now: datetime) -> Iterator[Finding]:
    try:
        skew = parsedate_to_datetime(date or "") - now
    except (ValueError, TypeError):
        return  # no usable Date header: nothing is known
    if abs(skew) <= _SKEW:
        return
    level = Level.ERROR if abs(skew) > _REFUSED_SKEW else Level.WARNING
    detail = f"this machine's clock differs by {skew.total_seconds():.0f} s from Google's"
    yield Finding(
        "clock", level, detail, "synchronise the clock (chrony, systemd-timesyncd): Google refuses late tokens"
    )
