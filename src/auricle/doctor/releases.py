"""The monthly images nvcr.io/nvidia/tritonserver:TAG-py3, and what they ask of a host.

Triton, ONNX Runtime and CUDA: docs/introduction/compatibility.md of triton-inference-server/server,
its release pages, and the support matrix of NVIDIA's deep learning frameworks. TensorRT of the
releases of 2026 is published by major version only. None: not published where we looked.
"""

from dataclasses import dataclass

DEFAULT_TAG = "26.09"
# https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/, table "CUDA Toolkit and Minimum
# Required Driver Version for CUDA Minor Version Compatibility", Linux.
MIN_DRIVER = {12: (525, 60, 13), 13: (580,)}
# 25.10 release notes: compute capability 7.5 and newer. Before: the default of Triton's build.py.
CAPABILITY_75_SINCE = "25.10"
IMAGE_BYTES = 25 << 30  # unpacked, with the room that a pull takes meanwhile


@dataclass(frozen=True)
class Release:
    """cuda: at least its major version.  python: the one whose models it runs."""

    tag: str
    triton: str
    cuda: str
    onnxruntime: str | None
    tensorrt: str
    python: str

    @property
    def min_driver(self) -> tuple[int, ...]:
        return MIN_DRIVER[int(self.cuda.split(".")[0])]

    @property
    def min_capability(self) -> tuple[int, int]:
        """Of the GPU: (7, 5) is Turing."""
        return (7, 5) if self.tag >= CAPABILITY_75_SINCE else (6, 0)


# Newest first; tags sort as text.
RELEASES = (
    Release("26.11", "2.75.0", "13", None, "11", "3.12"),
    Release("26.10", "2.74.0", "13", None, "11", "3.12"),
    Release("26.09", "2.73.0", "13.4.1", None, "11", "3.12"),
    Release("26.08", "2.72.0", "13.4.1", "1.28.0", "11", "3.12"),
    Release("26.07", "2.71.0", "13.3.1", "1.27.0", "11", "3.12"),
    Release("26.06", "2.70.0", "13.3.0", "1.24.4", "10.16", "3.12"),
    Release("26.05", "2.69.0", "13.2.1", "1.24.4", "10.16", "3.12"),
    Release("26.04", "2.68.0", "13.2.1", "1.24.4", "10.16", "3.12"),
    Release("26.03", "2.67.0", "13.2.0", "1.24.2", "10", "3.12"),
    Release("26.02", "2.66.0", "13.1.1", "1.24.1", "10.15", "3.12"),
    Release("26.01", "2.65.0", "13.1.1", "1.23.2", "10.14.1", "3.12"),
    Release("25.12", "2.64.0", "13.1.0", "1.23.2", "10.14.1", "3.12"),
    Release("25.11", "2.63.0", "13.0.2", "1.23.2", "10.14.1", "3.12"),
    Release("25.10", "2.62.0", "13.0.2", "1.23.1", "10.13.3", "3.12"),
    Release("25.09", "2.61.0", "13.0.1", "1.23.0", "10.13.3", "3.12"),
    Release("25.08", "2.60.0", "13.0.1", "1.23.0", "10.13.2", "3.12"),
    Release("25.07", "2.59.1", "12.9", "1.22.0", "10.11.0", "3.12"),
    Release("25.06", "2.59.0", "12.9", "1.22.0", "10.11.0", "3.12"),
    Release("25.05", "2.58.0", "12.9.0", "1.22.0", "10.10.0", "3.12"),
    Release("25.04", "2.57.0", "12.9.0", "1.21.0", "10.9.0", "3.12"),
    Release("25.03", "2.56.0", "12.8.1", "1.21.0", "10.9.0", "3.12"),
    Release("25.02", "2.55.0", "12.8.0", "1.20.1", "10.8.0", "3.12"),
    Release("25.01", "2.54.0", "12.8.0", "1.20.1", "10.8.0", "3.12"),
    Release("24.12", "2.53.0", "12.6.3", "1.20.1", "10.7.0", "3.12"),
    Release("24.11", "2.52.0", "12.6.3", "1.19.2", "10.6.0", "3.12"),
    Release("24.10", "2.51.0", "12.6.2", "1.19.2", "10.5.0", "3.10"),
    Release("24.09", "2.50.0", "12.6.1", "1.19.2", "10.4.0", "3.10"),
    Release("24.08", "2.49.0", "12.6.0", "1.18.1", "10.3.0", "3.10"),
)


def find(tag: str) -> Release | None:
    """By 26.09 or 26.09-py3; None if it is not in the table."""
    return next((one for one in RELEASES if one.tag == tag.removesuffix("-py3")), None)


def newest_for(driver: tuple[int, ...], capability: tuple[int, ...]) -> Release | None:
    """The newest release that runs on such a host."""
    fitting = (
        one for one in RELEASES if one.min_driver <= driver and one.min_capability <= capability
    )
    return next(fitting, None)
