"""Mail for the tests of analysis."""

from jobs.analysis.mail import Mail
from jobs.mime.parser import parse


def letter(body: str = "hello", **headers: str) -> Mail:
    """A message; underscores in the names of headers are hyphens."""
    head = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return Mail(parse(f"{head}\n{body}".encode()))
