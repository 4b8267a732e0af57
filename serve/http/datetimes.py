"""Times and days in requests, as RFC 3339 only. Pydantic alone would accept a number as seconds since 1970."""

import re
from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

_BEGINNING = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def _is_written(value: object) -> object:
    if isinstance(value, str) and not _BEGINNING.match(value):
        raise ValueError("give a time such as 2026-10-01T12:30:00Z")
    return value


def _is_day(value: object) -> object:
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("give a day such as 2026-10-01")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_is_written)]
Day = Annotated[date, BeforeValidator(_is_day)]
