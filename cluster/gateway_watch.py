"""Whether the gateway answers: the cluster logs when that changes, and `gbm status` shows it.

Serve replaces a replica that hangs (`GBM_SERVE__…__HEALTH_CHECK_S`); until then requests to it wait.
"""

import asyncio
import http.client
import logging
from collections.abc import Callable
from contextlib import closing

_LOG = logging.getLogger(__name__)

#: Seconds that an answer may take.
ANSWER_S = 2.0
#: Addresses that mean every interface.
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}  # noqa: S104 - it is not listened on


def fault_of(api: str, timeout_s: float = ANSWER_S) -> str | None:
    """Why the gateway at `http://HOST:PORT` does not answer; None: it answers. Blocking."""
    host, _, port = api.removeprefix("http://").rpartition(":")
    host = host.strip("[]")
    try:
        with closing(http.client.HTTPConnection(_ANY.get(host, host), int(port), timeout=timeout_s)) as connection:
            connection.request("GET", "/health")
            status = connection.getresponse().status
    except TimeoutError:
        return f"no answer for {timeout_s:.0f} s"
    except (OSError, http.client.HTTPException) as exc:
        return str(exc) or type(exc).__name__
    return None if status == 200 else f"it answers with status {status}"


async def watch_gateway(api: str, every_s: float, ask: Callable[[str], str | None] = fault_of) -> None:
    """Log, for ever, when the gateway has not answered twice in a row, and when it answers again."""
    faults, is_reported = 0, False
    while True:
        fault = await asyncio.to_thread(ask, api)
        faults = faults + 1 if fault else 0
        if fault and faults >= 2 and not is_reported:
            is_reported = True
            _LOG.warning("The gateway does not answer (%s): a replica that hangs is replaced", fault)
        elif is_reported and not fault:
            is_reported = False
            _LOG.warning("The gateway answers again")
        await asyncio.sleep(every_s)
