"""What the GPU stack needs: a driver and a GPU that the Triton image knows, and Docker's way in."""

import re
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from auricle.doctor import releases
from auricle.doctor.containers import Engine, check_root
from auricle.doctor.finding import Finding, fail, ok, warn
from auricle.doctor.releases import Release
from auricle.doctor.shell import Answer, ask

QUERY = "driver_version,name,compute_cap,memory.total"
DRIVERS = "https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/"
TOOLKIT = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/"
CONFIGURE = "`sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker`"
SMI_TIMEOUT_S = 15.0  # without the persistence daemon it wakes every GPU first
# What is no GPU of a data centre. Those may run newer CUDA on an older driver:
# https://docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html
FOR_DESKTOPS = re.compile("GeForce|GTX|RTX|Quadro|TITAN")
TOOLS = ("nvidia-ctk", "nvidia-container-runtime-hook")
CDI_FOLDERS = (Path("/etc/cdi"), Path("/var/run/cdi"))


@dataclass(frozen=True)
class Device:
    """driver: 580.82.07 as numbers.  capability: 7.5 is Turing.  memory: as nvidia-smi says."""

    driver: tuple[int, ...]
    name: str
    capability: tuple[int, ...]
    memory: str


@dataclass(frozen=True)
class Reading:
    """smi: None without nvidia-smi.  tools: parts of NVIDIA's toolkit; "cdi": a list of devices."""

    smi: Answer | None
    tools: frozenset[str]
    has_image: bool


def read(tag: str, engine: Engine | None) -> Reading:
    """engine: None if Docker does not answer, and is not to be asked again."""
    described = any(path for folder in CDI_FOLDERS for path in folder.glob("nvidia*"))
    inspect = ("docker", "image", "inspect", "--format", "{{.Id}}", image_name(tag))
    image = ask(*inspect) if engine else None
    query = ("nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader")
    return Reading(
        smi=ask(*query, timeout_s=SMI_TIMEOUT_S),
        tools=frozenset(name for name in TOOLS if which(name)) | ({"cdi"} if described else set()),
        has_image=bool(image and image.is_ok),
    )


def examine(reading: Reading, engine: Engine | None, tag: str) -> list[Finding]:
    release = releases.find(tag)
    devices = parse_devices(reading.smi.stdout) if reading.smi and reading.smi.is_ok else []
    findings = [check_tag(tag), check_driver(reading.smi, devices, release)]
    findings += [check_device(index, device, release) for index, device in enumerate(devices)]
    if engine:
        findings.append(check_toolkit(engine, reading.tools))
        image = image_name(tag)
        here = ok("image", f"{image} is here")
        findings.append(here if reading.has_image else check_root(engine, releases.IMAGE_BYTES))
    return findings


def parse_devices(table: str) -> list[Device]:
    """From nvidia-smi's rows: 580.82.07, NVIDIA H200, 9.0, 143771 MiB."""
    rows = [[cell.strip() for cell in line.split(",")] for line in table.splitlines()]
    return [
        Device(numbers(driver), name, numbers(capability), memory)
        for driver, name, capability, memory in (row for row in rows if len(row) == 4)
    ]


def check_tag(tag: str) -> Finding:
    release = releases.find(tag)
    if release is None:
        return warn(
            "Triton tag",
            f"{tag} is not in the table, so driver and GPU are not compared with it",
            f"known are {releases.RELEASES[-1].tag} to {releases.RELEASES[0].tag}; read the "
            "release notes of that image",
        )
    return ok(
        "Triton tag",
        f"{release.tag}: Triton {release.triton}, CUDA {release.cuda}, TensorRT "
        f"{release.tensorrt}, Python {release.python}",
    )


def check_driver(smi: Answer | None, devices: list[Device], release: Release | None) -> Finding:
    if smi is None:
        return fail("driver", "no nvidia-smi on PATH", f"install NVIDIA's driver: {DRIVERS}")
    if not devices:
        advice = "see `nvidia-smi` and `sudo dmesg | grep -i nvrm`; after an update, restart"
        return fail("driver", smi.complaint if not smi.is_ok else "it sees no GPU", advice)
    driver = devices[0].driver
    if release is None or driver >= release.min_driver:
        return ok("driver", dotted(driver))
    found = (
        f"{dotted(driver)}, but CUDA {release.cuda} of {release.tag} needs "
        f"{dotted(release.min_driver)} or newer"
    )
    advice = f"install a newer driver, {DRIVERS}{or_other_tag(devices[0])}"
    if any(FOR_DESKTOPS.search(device.name) for device in devices):
        return fail("driver", found, advice)
    found += "; a data centre's GPU may do with it, by the image's forward compatibility"
    return warn("driver", found, advice)


def check_device(index: int, device: Device, release: Release | None) -> Finding:
    subject = f"GPU {index}"
    found = f"{device.name}, {device.memory}, compute capability {dotted(device.capability)}"
    if release is None or device.capability >= release.min_capability:
        return ok(subject, found)
    return fail(
        subject,
        f"{found}, but {release.tag} needs {dotted(release.min_capability)} or more",
        f"use a newer GPU{or_other_tag(device)}",
    )


def or_other_tag(device: Device) -> str:
    release = releases.newest_for(device.driver, device.capability)
    return f", or --triton-tag {release.tag} (TRITON_TAG in .env)" if release else ""


def check_toolkit(engine: Engine, tools: frozenset[str]) -> Finding:
    """Docker asks the toolkit for GPUs by its runtime, its hook, or CDI."""
    subject = "GPU in Docker"
    if "nvidia" in engine.runtimes:
        return ok(subject, "by the runtime nvidia")
    if "cdi" in tools or any(device.startswith("nvidia.com/gpu") for device in engine.devices):
        return ok(subject, "by CDI")
    if tools:
        return fail(
            subject, "the container toolkit is installed, but Docker does not know it", CONFIGURE
        )
    return fail(subject, "no NVIDIA container toolkit", f"install it, {TOOLKIT}, then {CONFIGURE}")


def image_name(tag: str) -> str:
    return f"nvcr.io/nvidia/tritonserver:{tag.removesuffix('-py3')}-py3"


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
