from pathlib import Path

from auricle.bucket import carry_out, parse, plan_pull, plan_push
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


def push(source: Path, url: str, *, deletes: bool = False) -> list[str]:
    plan = plan_push(source, parse(url), deletes=deletes)
    return [f"{step.verb} {step.name}" for step in carry_out(plan)]


def pull(url: str, target: Path, *, deletes: bool = False) -> list[str]:
    plan = plan_pull(parse(url), target, deletes=deletes)
    return [f"{step.verb} {step.name}" for step in carry_out(plan)]


def test_what_was_pushed_is_pulled(url: str, tmp_path: Path) -> None:
    source = write(tmp_path / "source", DEMO)
    assert len(push(source, url)) == len(DEMO)
    pull(url, tmp_path / "target")
    assert read(tmp_path / "target") == DEMO


def test_what_is_equal_is_not_moved(url: str, tmp_path: Path) -> None:
    source = write(tmp_path / "source", DEMO)
    push(source, url)
    (source / "demo/config.pbtxt").write_bytes(b'name: "DEMO"')  # of the same size
    assert push(source, url) == ["copy demo/config.pbtxt"]
    assert push(source, url) == []
    assert pull(url, source) == []
