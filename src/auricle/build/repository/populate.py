"""The folder that Triton loads, written whole or not at all."""

import os
import shutil
import tempfile
from pathlib import Path

from auricle.build.families import Built
from auricle.build.repository import config
from auricle.spec import Choices

MODEL_PY = "from auricle.serve.backend.offline import TritonPythonModel  # noqa: F401\n"


def populate(built: Built, name: str, repository: Path) -> Path:
    repository.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=repository, prefix=f".{name}."))
    version = folder / "1"
    version.mkdir()
    for role, graph in built.graphs.items():
        (version / built.spec.graphs[role]).write_bytes(graph.SerializeToString())
    (version / built.spec.tokens).write_text(built.tokens, encoding="utf-8")
    (version / "model.py").write_text(MODEL_PY)
    built.spec.save(version)
    choices = Choices(lookahead=8 if built.joiner_dim <= 256 and built.vocab_size <= 1000 else 4)
    text = config.render(config.offline(name, choices, len(os.sched_getaffinity(0))))
    (folder / config.FILE_NAME).write_text(text, encoding="utf-8")
    folder.chmod(0o755)
    target = repository / name
    if target.exists():
        shutil.rmtree(target)
    folder.rename(target)
    return target
