"""Where a repository lies in S3-compatible storage, in the spelling that Triton itself takes."""

import re
from dataclasses import dataclass

from auricle.errors import BucketError

# s3://BUCKET/PREFIX, s3://HOST:PORT/BUCKET/PREFIX, s3://http(s)://HOST:PORT/BUCKET/PREFIX
URL = re.compile(
    r"s3://(?:(?P<scheme>https?)://(?P<host>[^/@]+)/|(?P<plain>[^/@:]+:\d+)/)?"
    r"(?P<bucket>[A-Za-z0-9._-]+)(?:/(?P<prefix>.*))?"
)


@dataclass(frozen=True)
class Location:
    """endpoint: None is the one of boto3's own configuration.  prefix: empty, or ends with '/'."""

    endpoint: str | None
    bucket: str
    prefix: str

    def __str__(self) -> str:
        place = f"{self.bucket}/{self.prefix}".rstrip("/")
        return f"s3://{self.endpoint}/{place}" if self.endpoint else f"s3://{place}"


def parse(url: str) -> Location:
    """BucketError if the URL is none of a bucket. Without a scheme a host is asked over http."""
    found = URL.fullmatch(url)
    if found is None:
        raise BucketError(
            f"{url!r} names no bucket; expected s3://BUCKET/PREFIX, or for storage other than AWS "
            "s3://http://HOST:PORT/BUCKET/PREFIX (https likewise); keys are never part of it"
        )
    host, scheme = found["host"] or found["plain"], found["scheme"] or "http"
    prefix = (found["prefix"] or "").strip("/")
    return Location(
        endpoint=f"{scheme}://{host}" if host else None,
        bucket=found["bucket"],
        prefix=f"{prefix}/" if prefix else "",
    )
