import pytest

from auricle.bucket.location import Location, parse
from auricle.errors import BucketError


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("s3://models", Location(None, "models", "")),
        ("s3://models/", Location(None, "models", "")),
        ("s3://models/team/offline/", Location(None, "models", "team/offline/")),
        ("s3://http://minio:9000/models/a", Location("http://minio:9000", "models", "a/")),
        ("s3://https://store.example/models", Location("https://store.example", "models", "")),
        ("s3://127.0.0.1:9000/models/a", Location("http://127.0.0.1:9000", "models", "a/")),
    ],
)
def test_tritons_spellings_are_read(url: str, location: Location) -> None:
    assert parse(url) == location
    assert parse(str(location)) == location


@pytest.mark.parametrize(
    "url",
    ["models", "/models", "s3://", "s3:///a", "gs://models/a", "s3://key:secret@host:9000/models",
     "s3://http://key:secret@host:9000/models", "s3://http://minio:9000"],
)  # fmt: skip
def test_other_urls_are_refused_with_those_that_are_read(url: str) -> None:
    with pytest.raises(BucketError, match="expected s3://BUCKET/PREFIX"):
        parse(url)
