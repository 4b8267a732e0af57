"""Messages to analyse, as the parser reads them."""

from jobs.analysis.mail import Mail
from jobs.mime.parser import parse


def mail(
    text: str = "Hello there.", subject: str = "A subject", sender: str = "ann@example.com", **headers: str
) -> Mail:
    """A message. `headers`: with _ for -."""
    head = [f"From: {sender}", f"Subject: {subject}", *(f"{key.replace('_', '-')}: {headers[key]}" for key in headers)]
    return Mail(parse(("\r\n".join(head) + f"\r\n\r\n{text}\r\n").encode()))
