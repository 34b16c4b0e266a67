import sys
from pathlib import Path

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from auricle.bucket.folder import Folder
from auricle.bucket.location import Location
from auricle.bucket.store import Store, connect, explain
from auricle.errors import BucketError, UnreachableError
from tests.bucket.conftest import read


def test_the_endpoint_may_come_from_the_environment(
    endpoint: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert connect("s3://models/offline-old").entries() == {"demo/config.pbtxt": 8}


def test_without_boto3_the_sentence_says_what_to_install(
    account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(BucketError, match=r"pip install 'auricle\[s3\]'"):
        connect("s3://models")


def test_without_credentials_the_sentence_says_where_they_are_looked_for(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(BucketError, match=r"no credentials for s3://http.*AWS_ACCESS_KEY_ID"):
        connect(url).entries()


def test_an_unknown_profile_is_a_sentence(account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(BucketError, match=r"s3://models cannot be used: .*nobody"):
        connect("s3://models")


def test_an_absent_bucket_is_named(endpoint: str, account: None) -> None:
    with pytest.raises(BucketError, match="there is no bucket 'nowhere'"):
        connect(f"s3://{endpoint}/nowhere/offline").entries()


def test_an_endpoint_where_nobody_answers_is_unreachable(account: None) -> None:
    with pytest.raises(UnreachableError, match=r"no storage answers for s3://http://127\.0"):
        connect("s3://127.0.0.1:1/models").entries()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("AccessDenied", "access to s3://models is denied for PutObject; push needs the rights"),
        ("403", "access to s3://models is denied"),  # HEAD has no body to say more
        ("SignatureDoesNotMatch", "credentials for s3://models are refused"),
        ("ExpiredToken", "credentials for s3://models are refused"),
        ("SlowDown", "s3://models refuses: .*SlowDown"),
    ],
)
def test_a_refusal_says_what_to_do(code: str, sentence: str) -> None:
    refusal = ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject")
    with pytest.raises(BucketError, match=sentence):
        raise explain(refusal, Location(None, "models", ""))


def test_a_damaged_object_is_refused_and_leaves_no_file(
    store: Store, s3: BaseClient, tmp_path: Path
) -> None:
    s3.put_object(Bucket="models", Key="offline/x", Body=b"damaged", Metadata={"sha256": "0" * 64})
    with pytest.raises(BucketError, match="is not what was pushed"):
        store.download("x", Folder(tmp_path))
    assert read(tmp_path) == {}
