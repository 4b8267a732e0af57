"""Messages to analyse, with a sender and a subject."""

from jobs.analysis.mail import Mail
from tests.unit.jobs.analysis.letters import letter


def mail(
    text: str = "Hello there.", subject: str = "A subject", sender: str = "ann@example.com", **headers: str
) -> Mail:
    """A message. `headers`: with _ for -."""
    return letter(text, From=sender, Subject=subject, **headers)
