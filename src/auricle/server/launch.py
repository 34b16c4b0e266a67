"""Start a tritonserver, wait until it is ready, stop it; nothing is left running.

Triton runs in a process group of its own, with the Python stubs that it starts: a Ctrl-C at the
terminal reaches us alone, and what outlives Triton's own stop is killed with the group.
"""

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

from auricle import access, spec
from auricle.errors import ServerError, UnreachableError
from auricle.server import (
    command,
    control,
    hardening,
    host,
    layout,
    locate,
    plans,
    repository,
    stubs,
)
from auricle.server.http import Endpoint
from auricle.server.options import Options
from auricle.server.output import Output
from auricle.server.ports import check_ports
from auricle.spec.plan import ONNX_CONFIG

POLL_S = 0.05
LOOK_S = 2.0
STOP_MARGIN_S = 2.0  # what Triton gets beyond its own timeout before it is killed


@dataclass(frozen=True)
class Plan:
    """A start that has passed every check.

    expected: the models that must be ready.
    shm_prefix: of the names that the stubs' memory has in /dev/shm.
    notes: what is not as its repository says, for a person.
    """

    command: list[str]
    environment: dict[str, str]
    expected: tuple[str, ...]
    shm_prefix: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Server:
    """A tritonserver that is ready.

    models: their names.  ready_s: what the start took.  notes: those of its Plan.
    """

    process: subprocess.Popen[bytes]
    options: Options
    output: Output
    models: tuple[str, ...]
    ready_s: float
    notes: tuple[str, ...] = ()

    @property
    def http_address(self) -> str:
        return f"{self.options.host}:{self.options.ports.http}"

    @property
    def grpc_address(self) -> str:
        return f"{self.options.host}:{self.options.ports.grpc}"

    @property
    def metrics_address(self) -> str:
        return f"{self.options.host}:{self.options.ports.metrics}"

    def wait(self) -> None:
        """Block while it serves; ServerError when it or a process of a model dies."""
        before: set[int] = set()
        while (status := self.look()) is None:
            dead = stubs.dead_stubs(self.process.pid)
            if dead & before:
                raise ServerError(
                    "the process of a Python model died, perhaps for want of memory, and Triton "
                    f"starts no other; start the server again{self.output.explain()}"
                )
            before = dead
        raise ServerError(
            f"tritonserver ended by itself with status {status}{self.output.explain()}"
        )

    def look(self) -> int | None:
        """The status of a tritonserver that ends before the next look."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(LOOK_S)
        return None


@contextlib.contextmanager
def serve(options: Options) -> Iterator[Server]:
    """A tritonserver that serves the repositories, ready; it stops with the block.

    ServerError or RepositoryError if it cannot start; before it starts where that can be known.
    Enter from a thread that outlives the block: the kernel stops Triton when that thread ends.
    """
    started = time.monotonic()
    plan = prepare(options)
    with contextlib.ExitStack() as ending:
        ending.callback(remove_shared_memory, plan)
        output = Output(options.log_file)
        process = output.start(plan.command, plan.environment)
        ending.callback(output.finish)
        ending.callback(stop, process, options.stop_timeout_s + STOP_MARGIN_S)
        wait_until_ready(process, plan, options, output)
        models = find_models(options)
        yield Server(process, options, output, models, time.monotonic() - started, plan.notes)


def prepare(options: Options) -> Plan:
    triton = locate.find_triton()
    host.check_glibc(triton)
    environment = command.build_environment(triton, host.python_library_folder(triton))
    environment[spec.LOG_REQUESTS] = options.log_requests
    backends = layout.backend_folder(triton)
    names = [path.name for path in backends.iterdir()]
    misfits = plans.check(repository.read_all(options.folders), names, options)
    options = replace(options, onnx_fallback=bool(misfits))
    models = repository.check(options.folders, names, ONNX_CONFIG if misfits else None)
    options, models = choose(options, models)
    options = replace(options, version_compatible=plans.has_portable(models))
    check_ports(options.host, options.ports)
    if options.tls:
        hardening.check_tls(options.tls)
    num_instances = sum(model.num_instances for model in models)
    host.check_shared_memory(num_instances, 2 * command.SHM_BYTES)
    shm_prefix = f"auricle-{uuid.uuid4().hex}"
    known = command.known_flags(triton, environment)
    return Plan(
        command.build_command(triton, options, backends, shm_prefix, known),
        environment,
        tuple(model.name for model in models),
        shm_prefix,
        tuple(misfits),
    )


def choose(
    options: Options, models: list[repository.Model]
) -> tuple[Options, list[repository.Model]]:
    """The models of our folders to start with, and options that name them for Triton."""
    if options.loads is None:
        if not options.remote:
            repository.check_not_empty(models, options.folders)
        return options, models
    if repository.ALL in options.loads:
        return options, models
    if options.remote:
        return options, []  # Triton alone can tell which of the names lie where
    chosen = repository.choose(models, options.loads)
    return replace(options, loads=[model.name for model in chosen]), chosen


def local_endpoint(options: Options) -> Endpoint:
    return Endpoint(options.local_host, options.ports.http, key=access.find_key())


def wait_until_ready(
    process: subprocess.Popen[bytes], plan: Plan, options: Options, output: Output
) -> None:
    endpoint = local_endpoint(options)
    paths = ["/v2/health/ready", *(f"/v2/models/{name}/ready" for name in plan.expected)]
    deadline = time.monotonic() + options.start_timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(
                f"tritonserver ended with status {process.returncode} before it was ready"
                f"{output.explain()}"
            )
        with contextlib.suppress(UnreachableError):
            if all(endpoint.get(path).is_ok for path in paths):
                return
        time.sleep(POLL_S)
    raise ServerError(
        f"tritonserver was not ready within {options.start_timeout_s:g} s{output.explain()}"
    )


def find_models(options: Options) -> tuple[str, ...]:
    """What is ready; ServerError if that is none, for good."""
    models = control.ready_names(local_endpoint(options))
    if not models and options.loads is None:
        raise ServerError(f"there is no model in {', '.join(options.remote)}")
    return tuple(models)


def stop(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """Ask Triton to stop; after the timeout, or an exception in the wait, kill its whole group."""
    try:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def remove_shared_memory(plan: Plan) -> None:
    """What killed stubs could not remove themselves."""
    for path in host.SHARED_MEMORY.glob(f"{plan.shm_prefix}*"):
        path.unlink(missing_ok=True)
