"""PlanRecord <-> plan.json: what a TensorRT plan was built of, by and for; it lies beside it."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from auricle.errors import RepositoryError

PLAN_FILE, RECORD_FILE = "model.plan", "plan.json"
RECORD_VERSION = 1
# The configuration of <model>/configs by which the graph beside a plan is served in its stead.
ONNX_CONFIG = "onnx"

HardwareCompatibility = Literal["none", "ampere+", "sameComputeCapability"]
Shapes = dict[str, list[list[int]]]  # input -> its smallest, usual and largest shape


@dataclass(frozen=True)
class PlanRecord:
    """tensorrt: as trtexec printed it, "10.16.0".  triton_tag: of the image; None: built in none.

    gpu, compute_capability: "NVIDIA H200", "9.0".  profiles: in the order of their indices.
    graph_sha256: of the ONNX file.  command: trtexec's, with the paths that it saw.
    version_compatible: whether newer TensorRTs of the same major take it, too.
    """

    tensorrt: str
    triton_tag: str | None
    gpu: str
    compute_capability: str
    precision: str
    profiles: list[Shapes]
    graph_sha256: str
    plan_sha256: str
    command: list[str]
    version_compatible: bool = False
    hardware_compatibility: HardwareCompatibility = "none"

    def to_json(self) -> str:
        record = {"version": RECORD_VERSION, **dataclasses.asdict(self)}
        return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def load_plan(path: Path) -> PlanRecord:
    """RepositoryError if the file is absent, broken or of another version."""
    if not path.is_file():
        raise RepositoryError(
            f"no {path}, which says what the plan beside it was built for; build the plan again "
            "with `auricle tensorrt build`"
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record.pop("version", None)
        if version != RECORD_VERSION:
            raise RepositoryError(
                f"{path} has version {version!r}, but this Auricle reads {RECORD_VERSION}; build "
                "the plan again"
            )
        return PlanRecord(**record)
    except (AttributeError, TypeError, ValueError) as error:
        raise RepositoryError(f"{path} is not whole ({error}); build the plan again") from error
