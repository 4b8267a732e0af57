"""Resumable uploads: a message that comes in parts, and how much of it has arrived. No I/O, no clock.

Source: developers.google.com/workspace/gmail/api/guides/uploads (read 2026-11). The call is charged and checked when
the upload begins; a part may be sent again after its answer was lost.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.simulator.answers import Answer, GoogleError, invalid, not_found
from jobs.importing.mail_files import MESSAGE_MAX_BYTES

_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")
#: Parts but the last are multiples of so many bytes.
_STEP_BYTES = 256 * 1024


@dataclass(slots=True)
class Upload:
    """A message on its way, for one user. answer: what it led to, told again to who asks again."""

    user: str
    method: str
    document: Mapping[str, Any]
    length: int
    content: bytearray = field(default_factory=bytearray)
    answer: Answer | None = None


class Uploads:
    """The uploads under way."""

    def __init__(self) -> None:
        self._uploads: dict[str, Upload] = {}

    def begin(self, upload: Upload) -> str:
        """The id of a new upload."""
        if upload.length > MESSAGE_MAX_BYTES:
            raise GoogleError(413, "uploadTooLarge", "Message is too large.")
        upload_id = secrets.token_urlsafe(24)
        self._uploads[upload_id] = upload
        return upload_id

    def of(self, upload_id: str, user: str) -> Upload:
        """An upload of a user.

        Raises:
            GoogleError: 404, there is none, or it is another's.
        """
        upload = self._uploads.get(upload_id)
        if upload is None or upload.user != user:
            raise not_found()
        return upload


def receive(upload: Upload, content_range: str, body: bytes) -> bool:
    """Take a part; True when the message is whole. A range of "*" only asks how much has arrived."""
    if not content_range:
        content_range = f"bytes 0-{len(body) - 1}/{len(body)}"
    match = _RANGE.fullmatch(content_range)
    if match is None or int(match[3]) != upload.length:
        raise invalid("Failed to parse Content-Range header.")
    if match[1] is not None:
        first, last = int(match[1]), int(match[2])
        if first > len(upload.content) or last - first + 1 != len(body):
            raise invalid("Failed to parse Content-Range header.")
        if last + 1 < upload.length and len(body) % _STEP_BYTES:
            raise invalid("A part that is not the last is a multiple of 256 KiB.")
        del upload.content[first:]
        upload.content += body
    return len(upload.content) == upload.length


def incomplete(upload: Upload) -> Answer:
    """308: go on after what has arrived."""
    arrived = (("Range", f"bytes=0-{len(upload.content) - 1}"),) if upload.content else ()
    return Answer(308, b"", headers=arrived)
