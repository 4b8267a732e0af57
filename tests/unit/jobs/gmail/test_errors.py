"""Errors cross processes, and each says one sentence."""

import inspect
import pickle

import pytest

from jobs.gmail import errors
from jobs.gmail.errors import GmailError

EXAMPLES: list[GmailError] = [
    errors.HistoryExpired(7),
    errors.GrantRevoked("ann@example.com"),
    errors.TokenRejected("expired"),
    errors.Throttled("user", 3.5, "slow down"),
    errors.Throttled("project", None, "slow down"),
    errors.GmailUnavailable("HTTP 503", 2.0),
    errors.NotFound("no such message"),
    errors.GmailRefused(403, "insufficientPermissions"),
    errors.AnswerUnreadable("no JSON"),
    errors.AnswerTooLarge(1024),
    errors.NotSent("stopped"),
    errors.EndpointUnsafe("http://example.com", "not https"),
    errors.CredentialsUnusable("it is not JSON"),
    errors.DelegationMissing("ada@example.com", "1234567890", "https://mail.example/scope"),
    errors.UnknownMethod("standard", "drafts.send"),
    errors.ConsentMissing("ada@example.com", "access_denied"),
    errors.WrongMailbox("ada@example.com", "bob@example.com"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickle(error: GmailError) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert again.__dict__ == error.__dict__
    assert str(again) == str(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_is_one_sentence(error: GmailError) -> None:
    assert str(error).endswith(".")
    assert "\n" not in str(error)


def test_every_class_has_an_example_and_a_kind_of_its_own() -> None:
    classes = {
        found
        for _, found in inspect.getmembers(errors, inspect.isclass)
        if issubclass(found, GmailError) and found is not GmailError
    }

    assert {type(example) for example in EXAMPLES} == classes
    assert len({found.kind for found in classes}) == len(classes)
