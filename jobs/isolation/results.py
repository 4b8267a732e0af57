"""Values from a child that reads hostile mail: unpickled without running any code but the constructors named here.

A child is confined, but a defect in a library that reads mail may let a message choose what the child answers. An
ordinary pickle could then name any function of the parent, which has the keys and the databases.
"""

import io
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

from jobs.mime import message
from storage.model import results
from storage.query import highlighting

_CLASSES: dict[tuple[str, str], type] = {
    (each.__module__, each.__qualname__): each
    for each in (
        datetime,
        timedelta,
        timezone,
        message.Attachment,
        message.AttachmentContent,
        message.ParsedMessage,
        results.Attachment,
        results.Body,
        highlighting.Fragment,
        highlighting.Highlight,
    )
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _CLASSES.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"{module}.{name} is no result of a child")
        return found


def result(content: bytes, kind: type | tuple[type, ...]) -> Any:
    """The value of an answer.

    Raises:
        pickle.UnpicklingError: it is of another type, or names another class.
    """
    try:
        value = _Unpickler(io.BytesIO(content)).load()
    except pickle.UnpicklingError:
        raise
    except Exception as exc:
        raise pickle.UnpicklingError(f"{type(exc).__name__}: {exc}") from exc
    if not isinstance(value, kind):
        raise pickle.UnpicklingError(f"{type(value).__name__} is not the result that was asked for")
    return value
