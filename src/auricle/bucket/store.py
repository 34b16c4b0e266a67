"""A repository in a bucket, by boto3; what storage refuses becomes a sentence.

Credentials come only from where boto3 looks: environment, ~/.aws, the machine's role.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auricle.bucket.folder import Folder, digest
from auricle.bucket.location import Location, parse
from auricle.errors import AuricleError, BucketError, UnreachableError

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

JOBS = 4  # files at once: hides the round trips, and leaves a line free for others
PARTS = 4  # of a big file at once
CHECKSUM = "sha256"  # the name of our metadata: x-amz-meta-sha256
CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with AWS_SESSION_TOKEN where keys are "
    "temporary), or name a profile of ~/.aws with AWS_PROFILE"
)
REFUSED_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
REFUSED_RIGHTS = {"AccessDenied", "AllAccessDisabled", "403"}


@dataclass(frozen=True)
class Store:
    location: Location
    client: "BaseClient"
    transfer: "TransferConfig"

    def __str__(self) -> str:
        return str(self.location)

    def entries(self) -> dict[str, int]:
        """Name -> size in bytes; as in a folder, a name that ends with '/' has nothing below."""
        found: dict[str, int] = {}
        with told(self.location):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.location.bucket, Prefix=self.location.prefix
            )
            for entry in (entry for page in pages for entry in page.get("Contents", ())):
                name = entry["Key"].removeprefix(self.location.prefix)
                check_name(name, self.location)
                if name and not any(part.startswith(".") for part in name.split("/")):
                    found[name] = entry["Size"]
        return found

    def holds(self, name: str, folder: Folder) -> bool:
        """Whether the content of the two is one; their sizes are equal already.

        Dates are not compared: a build or a checkout renews them and changes nothing. An ETag is
        the MD5 of small objects only (not of multipart uploads, nor of encrypted ones), so push
        leaves a SHA-256 as metadata. Without it (another tool wrote the object) the ETag must do:
        where it is no MD5 it equals none, and the file is moved once more than needed.
        """
        if name.endswith("/"):
            return True
        with told(self.location):
            head = self.client.head_object(**self.object(name))
        stored = head["Metadata"].get(CHECKSUM)
        if stored:
            return bool(stored == digest(folder.root / name, CHECKSUM))
        return bool(head["ETag"].strip('"') == digest(folder.root / name, "md5"))

    def upload(self, name: str, folder: Folder) -> None:
        if name.endswith("/"):
            with told(self.location):
                self.client.put_object(**self.object(name), Body=b"")
            return
        path = folder.root / name
        metadata = {"Metadata": {CHECKSUM: digest(path, CHECKSUM)}}
        with path.open("rb") as file, told(self.location):
            self.client.upload_fileobj(
                file, **self.object(name), ExtraArgs=metadata, Config=self.transfer
            )

    def download(self, name: str, folder: Folder) -> None:
        if name.endswith("/"):
            folder.make_folder(name)
            return
        with told(self.location), folder.draft(name) as draft:
            stored = self.client.head_object(**self.object(name))["Metadata"].get(CHECKSUM)
            with draft.open("wb") as file:
                self.client.download_fileobj(
                    **self.object(name), Fileobj=file, Config=self.transfer
                )
            arrived = digest(draft, CHECKSUM)
            if stored and stored != arrived:
                raise BucketError(
                    f"{name} from {self.location} is not what was pushed: its SHA-256 is {arrived},"
                    f" stored is {stored}; if a push is running wait for its end, then pull again"
                )

    def delete(self, name: str) -> None:
        with told(self.location):
            self.client.delete_object(**self.object(name))

    def object(self, name: str) -> dict[str, str]:
        return {"Bucket": self.location.bucket, "Key": self.location.prefix + name}


def connect(url: str) -> Store:
    """Nothing is asked of storage yet; BucketError without boto3, or for a URL of no bucket."""
    location = parse(url)
    try:
        import boto3
        from boto3.s3.transfer import TransferConfig
        from botocore.config import Config
    except ImportError as error:
        raise BucketError(
            "boto3 is not installed, and buckets are reached with it; run "
            "`pip install 'auricle[s3]'`"
        ) from error
    config = Config(
        connect_timeout=10,
        max_pool_connections=JOBS * PARTS,
        retries={"mode": "standard", "total_max_attempts": 3},
        # boto3's newer checksums are unknown to older servers; ours goes with every object.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        with told(location):
            client = boto3.Session().client("s3", endpoint_url=location.endpoint, config=config)
    except ValueError as error:  # an address that botocore cannot read
        raise BucketError(f"{location} cannot be used: {error}") from error
    return Store(location, client, TransferConfig(max_concurrency=PARTS))


def check_name(name: str, location: Location) -> None:
    """BucketError for a key that is no path below a folder; '' is the folder itself."""
    parts = name.removesuffix("/").split("/")
    if name and (any(part in {"", ".", ".."} for part in parts) or "\0" in name):
        raise BucketError(
            f"{location} holds the key {name!r}, which is no path below a folder; remove it there "
            "(`aws s3api delete-object`): nothing was copied"
        )


@contextlib.contextmanager
def told(location: Location) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError
    from s3transfer.exceptions import RetriesExceededError

    try:
        yield
    except (BotoCoreError, ClientError, RetriesExceededError) as error:
        raise explain(error, location) from error


def explain(error: Exception, location: Location) -> AuricleError:
    """The sentence for what botocore says."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return explain_refusal(error, location)
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return BucketError(f"no credentials for {location} ({error}); {CREDENTIALS}")
    if isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
        return UnreachableError(
            f"no storage answers for {location} ({error}); correct the address: in the URL "
            "s3://http://HOST:PORT/BUCKET, or by AWS_ENDPOINT_URL and AWS_REGION"
        )
    return BucketError(f"{location} cannot be used: {error}")


def explain_refusal(error: "ClientError", location: Location) -> BucketError:
    code = error.response.get("Error", {}).get("Code", "")
    if code == "NoSuchBucket":
        return BucketError(
            f"there is no bucket {location.bucket!r} for {location}; create it, or correct the name"
        )
    if code in REFUSED_KEYS:
        return BucketError(f"the credentials for {location} are refused ({code}); {CREDENTIALS}")
    if code in REFUSED_RIGHTS:
        return BucketError(
            f"access to {location} is denied for {error.operation_name}; push needs the rights "
            "s3:ListBucket, GetObject and PutObject (--delete: DeleteObject), pull the first two"
        )
    return BucketError(f"{location} refuses: {error}")
