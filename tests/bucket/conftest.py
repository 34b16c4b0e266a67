"""A real S3 server of moto's in this process, and an account at it."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.client import BaseClient
from moto.server import ThreadedMotoServer

from auricle.bucket import connect
from auricle.bucket.store import Store

Tree = dict[str, bytes]


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials by environment; nothing of the machine's own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "one")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "two")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def s3(endpoint: str, account: None) -> BaseClient:
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")


@pytest.fixture
def url(endpoint: str, s3: BaseClient) -> Iterator[str]:
    """A place below a prefix of a bucket of its own; objects beside the prefix are not ours."""
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="offline-old/demo/config.pbtxt", Body=b"not ours")
    yield f"s3://{endpoint}/models/offline"
    for entry in s3.list_objects_v2(Bucket="models").get("Contents", ()):
        s3.delete_object(Bucket="models", Key=entry["Key"])
    s3.delete_bucket(Bucket="models")


@pytest.fixture
def store(url: str) -> Store:
    return connect(url)


def write(root: Path, tree: Tree) -> Path:
    for name, content in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def read(root: Path) -> Tree:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }
