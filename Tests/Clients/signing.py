"""AWS Signature Version 4 by hand, so that every part of it can be wrong on its own."""

import dataclasses
import datetime
import hashlib
import hmac

from gateway import REGION


def stamp(shift=0, at=None):
    """`YYYYMMDDTHHMMSSZ` so many seconds from now."""
    moment = (at or datetime.datetime.now(datetime.timezone.utc)) + datetime.timedelta(seconds=shift)
    return moment.strftime("%Y%m%dT%H%M%SZ")


@dataclasses.dataclass
class Signed:
    """One request. Change a field before `wire()` and the signature is made over the changed request."""

    key: tuple
    body: bytes
    headers: list
    date: str = dataclasses.field(default_factory=stamp)
    scope_date: str = None
    region: str = REGION
    service: str = "events"
    terminator: str = "aws4_request"
    names: list = None
    listed: str = None
    payload: str = None
    algorithm: str = "AWS4-HMAC-SHA256"
    target: str = "/"
    signature: str = None
    host: str = "localhost"
    method: str = "POST"

    def fields(self):
        return [("Host", self.host), *self.headers, ("X-Amz-Date", self.date)]

    def authorization(self):
        values = {}
        for name, value in self.fields():
            values.setdefault(name.lower(), []).append(" ".join(value.split()))
        names = self.names if self.names is not None else sorted(values)
        payload = self.payload or hashlib.sha256(self.body).hexdigest()
        path, _, query = self.target.partition("?")
        lines = [f"{name}:{','.join(values.get(name.lower(), ['']))}" for name in names]
        canonical = "\n".join([self.method, path, query, *lines, "", ";".join(names), payload])
        scope = "/".join([self.scope_date or self.date[:8], self.region, self.service, self.terminator])
        secret = b"AWS4" + self.key[1].encode()
        for part in scope.split("/"):
            secret = hmac.digest(secret, part.encode(), "sha256")
        text = f"{self.algorithm}\n{self.date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = self.signature or hmac.new(secret, text.encode(), "sha256").hexdigest()
        listed = ";".join(names) if self.listed is None else self.listed
        return f"{self.algorithm} Credential={self.key[0]}/{scope}, SignedHeaders={listed}, Signature={signature}"

    def wire(self, *extra, authorization=None, body=None):
        """The request as bytes of HTTP/1.1, with these headers besides."""
        authorization = self.authorization() if authorization is None else authorization
        body = self.body if body is None else body
        fields = [*self.fields(), *([("Authorization", authorization)] if authorization is not False else []),
                  ("Content-Length", str(len(body))), *extra]
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"{self.method} {self.target} HTTP/1.1\r\n{head}\r\n".encode() + body


def call(key, operation, body, **changes):
    """A call of the events API."""
    target = ("X-Amz-Target", f"AWSEvents.{operation}")
    return Signed(key, body, [("Content-Type", "application/x-amz-json-1.1"), target], **changes)
