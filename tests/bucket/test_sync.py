import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from botocore.client import BaseClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auricle.bucket import Plan, Step, carry_out, plan_pull, plan_push
from auricle.bucket.folder import Folder
from auricle.bucket.store import Store
from auricle.errors import BucketError, RepositoryError
from tests.bucket.conftest import Tree, read, write

DEMO: Tree = {
    "README.md": b"what this is",
    "demo/config.pbtxt": b'name: "demo"',
    "demo/1/pipeline.json": b"{}",
    "demo/1/model.py": b"",
    "demo/1/encoder.onnx": bytes(range(256)) * 50,
    "demo__encoder/config.pbtxt": b'name: "demo__encoder"',
    "demo__encoder/1/model.onnx": b"\0" * 1000,
}
NAMES = [
    "a/1/model.onnx", "a/1/pipeline.json", "a/2/größe 1+1 %20.bin", "a/3/", "README.md",
    "b__encoder/config.pbtxt", "b__encoder/1/model.onnx", "c/config.pbtxt", "c/1/deep/er/x",
]  # fmt: skip
TREES = st.dictionaries(st.sampled_from(NAMES), st.binary(max_size=30)).map(
    lambda tree: {"a/config.pbtxt": b"", **tree}
)


def push(source: Path, store: Store, *, deletes: bool = False) -> list[str]:
    plan = plan_push(source, store, deletes=deletes)
    return [f"{step.verb} {step.name}" for step in carry_out(plan)]


def pull(store: Store, target: Path, *, deletes: bool = False) -> list[str]:
    plan = plan_pull(store, target, deletes=deletes)
    return [f"{step.verb} {step.name}" for step in carry_out(plan)]


def plant(root: Path, tree: Tree) -> Path:
    """Write the tree over what is there; names that end with '/' are folders."""
    shutil.rmtree(root, ignore_errors=True)
    for name in (name for name in tree if name.endswith("/")):
        (root / name).mkdir(parents=True)
    return write(root, {name: body for name, body in tree.items() if not name.endswith("/")})


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=TREES, after=TREES)
def test_a_round_trip_keeps_every_byte_through_edits_and_deletions(
    store: Store, before: Tree, after: Tree
) -> None:
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "source", Path(folder) / "target"
        for tree in (before, after):
            push(plant(source, tree), store, deletes=True)
            pull(store, target, deletes=True)
            assert read(target) == read(source)
            assert Folder(target).entries() == Folder(source).entries()
            assert push(source, store, deletes=True) == []
            assert pull(store, target, deletes=True) == []


def test_only_what_differs_is_moved(store: Store, tmp_path: Path) -> None:
    source = write(tmp_path / "source", DEMO)
    assert len(push(source, store)) == len(DEMO)
    (source / "demo/config.pbtxt").write_bytes(b'name: "DEMO"')  # of the same size
    assert push(source, store) == ["copy demo/config.pbtxt"]
    assert pull(store, source) == []


def test_nothing_is_deleted_unasked(store: Store, tmp_path: Path) -> None:
    push(write(tmp_path / "source", DEMO), store)
    target = write(tmp_path / "target", {"mine/config.pbtxt": b""})
    pull(store, target)
    assert read(target) == {**DEMO, "mine/config.pbtxt": b""}


def test_neighbours_of_the_prefix_are_not_ours(
    store: Store, s3: BaseClient, tmp_path: Path
) -> None:
    push(write(tmp_path, DEMO), store)
    push(write(tmp_path / "other", {"one/config.pbtxt": b""}), store, deletes=True)
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="models")["Contents"]]
    assert keys == ["offline-old/demo/config.pbtxt", "offline/one/config.pbtxt"]


def test_a_file_that_travels_in_parts_is_known_again(store: Store, tmp_path: Path) -> None:
    source = write(tmp_path / "source", {**DEMO, "demo/1/big.onnx": bytes(9 << 20)})
    push(source, store)
    assert push(source, store) == []
    pull(store, tmp_path / "target")
    assert read(tmp_path / "target") == read(source)


def test_the_objects_of_other_tools_are_known_by_their_etag(
    store: Store, s3: BaseClient, tmp_path: Path
) -> None:
    s3.put_object(Bucket="models", Key="offline/demo/", Body=b"")
    s3.put_object(Bucket="models", Key="offline/demo/config.pbtxt", Body=b"one")
    assert pull(store, tmp_path / "target") == ["copy demo/config.pbtxt"]
    assert pull(store, tmp_path / "target") == []
    s3.put_object(Bucket="models", Key="offline/demo/config.pbtxt", Body=b"two")
    assert pull(store, tmp_path / "target") == ["copy demo/config.pbtxt"]


def test_a_config_comes_last_and_goes_first_and_a_helpers_before_its_callers(
    store: Store, tmp_path: Path
) -> None:
    source = write(tmp_path / "source", DEMO)
    arrived = [name.removeprefix("copy ") for name in push(source, store)]
    assert arrived[-3:] == [
        "demo/1/pipeline.json", "demo__encoder/config.pbtxt", "demo/config.pbtxt",
    ]  # fmt: skip
    write(tmp_path / "other", {"one/config.pbtxt": b""})
    gone = push(tmp_path / "other", store, deletes=True)[1:]
    assert gone[:3] == [f"delete {name}" for name in reversed(arrived[-3:])]


def test_after_a_failure_no_config_arrives() -> None:
    done: list[str] = []

    def copy(name: str) -> None:
        if name == "a/1/y":
            raise BucketError("full")
        done.append(name)

    steps = [Step("copy", name, 1) for name in ("a/1/x", "a/1/y", "a/1/z", "a/config.pbtxt")]
    with pytest.raises(BucketError, match="full"):
        list(carry_out(Plan(steps, 0, copy, copy)))
    assert "a/config.pbtxt" not in done


@pytest.mark.parametrize("key", ["../x", "demo/../../x", "/etc/x", "demo//x", "demo/./x"])
def test_a_key_that_leads_out_of_the_folder_stops_the_pull(
    key: str, store: Store, s3: BaseClient, tmp_path: Path
) -> None:
    s3.put_object(Bucket="models", Key="offline/demo/config.pbtxt", Body=b"")
    s3.put_object(Bucket="models", Key=f"offline/{key}", Body=b"")
    with pytest.raises(BucketError, match="no path below a folder"):
        pull(store, tmp_path / "target")
    assert read(tmp_path) == {}


def test_hidden_objects_are_left_out(store: Store, s3: BaseClient, tmp_path: Path) -> None:
    for key in ("demo/config.pbtxt", ".ssh/authorized_keys", "demo/.hidden"):
        s3.put_object(Bucket="models", Key=f"offline/{key}", Body=b"")
    assert pull(store, tmp_path / "target") == ["copy demo/config.pbtxt"]


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({}, "is empty or is not there"),
        ({"notes.txt": b""}, "no model repository"),
        ({"team/demo/config.pbtxt": b""}, "no model repository"),
        ({"config.pbtxt": b"", "1/model.py": b""}, "is one model; name the repository"),
    ],
)
def test_what_is_no_repository_is_neither_pushed_nor_pulled(
    tree: Tree, sentence: str, store: Store, s3: BaseClient, tmp_path: Path
) -> None:
    with pytest.raises(RepositoryError, match=sentence):
        push(write(tmp_path / "source", tree), store)
    for name, body in tree.items():
        s3.put_object(Bucket="models", Key=f"offline/{name}", Body=body)
    with pytest.raises(RepositoryError, match=sentence):
        pull(store, tmp_path / "target")


def test_a_folder_of_other_things_is_not_emptied_by_a_slip(store: Store, tmp_path: Path) -> None:
    push(write(tmp_path / "source", DEMO), store)
    home = write(tmp_path / "home", {"thesis.tex": b""})
    with pytest.raises(RepositoryError, match="home is no model repository"):
        pull(store, home, deletes=True)
    assert read(home) == {"thesis.tex": b""}
