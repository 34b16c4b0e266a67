"""The storage of tests/bucket, for the command that uses it."""

from tests.bucket.conftest import account, endpoint, s3, url

__all__ = ["account", "endpoint", "s3", "url"]
