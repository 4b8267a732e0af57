"""A small client of the simulator: one user, real sockets, no retries."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pybase64
import urllib3
from urllib3 import BaseHTTPResponse, HTTPHeaderDict

TIMEOUT_S = 10


def new_pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(retries=False, timeout=TIMEOUT_S, maxsize=16)


@dataclass
class Client:
    """Speaks for the simulator's first user, unless told otherwise."""

    url: str
    http: urllib3.PoolManager = field(default_factory=new_pool)
    email: str = ""
    token: str = ""

    def sign_in(self, email: str | None = None) -> "Client":
        self.email = email or self.sim("GET", "users").json()[0]["email"]
        self.token = self.refresh().json()["access_token"]
        return self

    def refresh(self, **changes: str) -> BaseHTTPResponse:
        account = self.sim("GET", f"users/{self.email}/authorized-user").json()
        form = {"grant_type": "refresh_token"}
        form |= {name: account[name] for name in ("client_id", "client_secret", "refresh_token")} | changes
        return self.http.request("POST", account["token_uri"], fields=form, encode_multipart=False)

    def sim(self, method: str, path: str, **options: Any) -> BaseHTTPResponse:
        return self.http.request(method, f"{self.url}/_sim/{path}", **options)

    def call(self, method: str, path: str, params: Any = (), **options: Any) -> BaseHTTPResponse:
        url = f"{self.url}/gmail/v1/users/me/{path}"
        if params:
            url += "?" + urlencode(params, doseq=True)
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        return self.http.request(method, url, headers=headers, **options)

    def get(self, path: str, **params: Any) -> Any:
        answer = self.call("GET", path, params)
        assert answer.status == 200, answer.data
        return answer.json()

    def raw(self, message_id: str) -> bytes:
        return pybase64.urlsafe_b64decode(self.get(f"messages/{message_id}", format="raw")["raw"])

    def held(self) -> dict[str, Any]:
        return {m["id"]: m for m in self.sim("GET", f"users/{self.email}/messages").json()}

    def pages(self, path: str, **params: Any) -> list[Any]:
        pages = [self.get(path, **params)]
        while "nextPageToken" in pages[-1]:
            pages.append(self.get(path, pageToken=pages[-1]["nextPageToken"], **params))
        return pages

    def batch(self, targets: list[str], path: str = "/batch/gmail/v1") -> BaseHTTPResponse:
        parts = [
            f"--x\r\nContent-Type: application/http\r\nContent-ID: <{n}>\r\n\r\nGET {target} HTTP/1.1\r\n\r\n\r\n"
            for n, target in enumerate(targets)
        ]
        headers = HTTPHeaderDict({"Content-Type": 'multipart/mixed; boundary="x"'})
        headers["Authorization"] = f"Bearer {self.token}"
        body = "".join(parts) + "--x--\r\n"
        return self.http.request("POST", self.url + path, body=body.encode(), headers=headers)


def error(answer: BaseHTTPResponse) -> tuple[int, str, str]:
    """Status, reason and status name of one of Google's error answers."""
    detail = answer.json()["error"]
    assert detail["code"] == answer.status and detail["message"] == detail["errors"][0]["message"]
    return answer.status, detail["errors"][0]["reason"], detail["status"]
