"""Many calls in one request."""

import email

import pytest

from cluster.simulator.answers import Answer, GoogleError
from cluster.simulator.batch import answer_batch, parse_batch
from cluster.simulator.call import HttpCall


def _batch(*parts: bytes, boundary: str = "b", end: str = "\r\n") -> HttpCall:
    body = b"".join(f"--{boundary}{end}".encode() + part + end.encode() for part in parts)
    content_type = f'multipart/mixed; boundary="{boundary}"'
    return HttpCall("POST", "/batch", "Bearer outer", content_type, body + f"--{boundary}--{end}".encode())


def _part(number: int, inner: bytes = b"") -> bytes:
    head = f"Content-Type: application/http\r\nContent-ID: <c{number}>\r\n\r\n".encode()
    return head + (inner or f"GET /m/{number}?format=raw HTTP/1.1\r\nAccept: */*\r\n\r\n".encode())


def test_calls_are_taken_in_order_with_the_outer_authorization() -> None:
    calls = parse_batch(_batch(_part(1), _part(2)))

    assert [content_id for content_id, _ in calls] == ["<c1>", "<c2>"]
    assert calls[1][1] == HttpCall("GET", "/m/2?format=raw", "Bearer outer", "", b"")


def test_a_call_may_bring_its_own_authorization_and_body() -> None:
    inner = b'POST /x HTTP/1.1\r\nAuthorization: Bearer own\r\nContent-Type: application/json\r\n\r\n{"a":1}'

    ((_, call),) = parse_batch(_batch(_part(1, inner)))

    assert call == HttpCall("POST", "/x", "Bearer own", "application/json", b'{"a":1}')


def test_a_body_of_a_stated_length_is_taken_exactly() -> None:
    inner = b"POST /x HTTP/1.1\r\nContent-Length: 4\r\n\r\na\r\n\r\n"

    ((_, call),) = parse_batch(_batch(_part(1, inner)))

    assert call.body == b"a\r\n\r"


@pytest.mark.parametrize("inner", [b"GET /m/1", b"GET /m/1\r\n", b"GET /m/1 HTTP/1.1\r\n\r\n", b"GET http://h/m/1\r\n"])
def test_short_forms_of_a_request_are_understood(inner: bytes) -> None:
    ((_, call),) = parse_batch(_batch(_part(1, inner)))

    assert (call.method, call.target, call.body) == ("GET", "/m/1", b"")


def test_bare_newlines_are_understood() -> None:
    part = b"Content-Type: application/http\nContent-ID: 7\n\nGET /m/7 HTTP/1.1\n\n"

    ((content_id, call),) = parse_batch(_batch(part, end="\n"))

    assert (content_id, call.target) == ("7", "/m/7")


@pytest.mark.parametrize(
    "request_",
    [
        _batch(),
        _batch(*(_part(n) for n in range(101))),
        _batch(_part(1))._replace(content_type="application/json"),
        _batch(b"Content-Type: application/http\r\n\r\nnonsense"),
    ],
)
def test_an_invalid_batch_is_refused(request_: HttpCall) -> None:
    with pytest.raises(GoogleError) as caught:
        parse_batch(request_)

    assert caught.value.status == 400


def test_a_hundred_calls_are_allowed() -> None:
    assert len(parse_batch(_batch(*(_part(n) for n in range(100))))) == 100


def test_each_answer_stands_by_itself_and_any_mime_parser_reads_it() -> None:
    def answer(call: HttpCall) -> Answer:
        if "/m/2" in call.target:
            return Answer(429, b"{}", headers=(("Retry-After", "3"),))
        return Answer(200, b'{"raw":"\r\n--b"}')

    batch = answer_batch(_batch(_part(1), _part(2)), answer)
    whole = email.message_from_bytes(b"Content-Type: " + batch.content_type.encode() + b"\r\n\r\n" + batch.body)

    assert batch.status == 200
    parts = [part for part in whole.walk() if part.get_content_type() == "application/http"]
    assert [part["Content-ID"] for part in parts] == ["<response-c1>", "<response-c2>"]
    first, second = (str(part.get_payload()) for part in parts)
    assert first.startswith("HTTP/1.1 200 OK") and '{"raw":' in first
    assert second.startswith("HTTP/1.1 429 Too Many Requests") and "Retry-After: 3" in second
