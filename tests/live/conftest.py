"""A real tritonserver for the tests of every room, on free ports of 127.0.0.1."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options as FamilyOptions
from auricle.build.families import load
from auricle.build.repository.populate import Deployment, populate
from auricle.cli import build
from auricle.cli.build.options import Runner
from auricle.errors import ServerError
from auricle.server import Options, Server, free_ports, serve
from auricle.server.locate import find_triton
from tests.live import echo, listener, models

StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """start_server(repository, ...) -> a ready Server; all of them stop with the session."""
    try:
        find_triton()
    except ServerError as error:
        pytest.skip(str(error))
    with contextlib.ExitStack() as servers:

        def start(*repositories: Path | str) -> Server:
            log_file = tmp_path_factory.mktemp("triton") / "triton.log"
            options = Options(repositories, ports=free_ports(), log_file=log_file)
            return servers.enter_context(serve(options))

        yield start


@pytest.fixture(scope="session")
def small_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models double, deaf and caller (Python), graph and picky_graph (ONNX)."""
    repository = tmp_path_factory.mktemp("small_repository")
    models.write_python_model(repository, "double", models.DOUBLE, models.DOUBLE_CONFIG)
    models.write_python_model(repository, "deaf", models.DEAF, models.DEAF_CONFIG)
    models.write_python_model(repository, "caller", models.CALLER, models.CALLER_CONFIG)
    models.write_graph(repository, "graph", models.last_sample_graph(), models.GRAPH_CONFIG)
    picky = models.last_sample_graph(num_samples=160)
    models.write_graph(repository, "picky_graph", picky, models.GRAPH_CONFIG)
    return repository


@pytest.fixture(scope="session")
def small_server(start_server: StartServer, small_repository: Path) -> Server:
    """A server of the small repository, for tests that leave it as it was."""
    return start_server(small_repository)


@pytest.fixture(scope="session")
def listener_server(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server of listener, which takes streams, and of echo, which does not."""
    repository = tmp_path_factory.mktemp("listener_repository")
    models.write_python_model(repository, "listener", listener.SOURCE, listener.CONFIG)
    models.write_python_model(repository, "echo", echo.SOURCE, echo.CONFIG)
    return start_server(repository)


@pytest.fixture(scope="session")
def demo_repository(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models demo, demo-bls (the same by BLS) and demo-ctc, built from the shipped checkpoints."""
    repository = tmp_path_factory.mktemp("demo_repository")
    transducer, ctc = assets / "icefall-transducer", assets / "icefall-ctc"
    build.run("icefall-transducer", name="demo", repo=repository, checkpoint=transducer)
    build.run(
        "icefall-transducer",
        name="demo-bls",
        repo=repository,
        checkpoint=transducer,
        runner=Runner.bls,
    )
    build.run("icefall-ctc", name="demo-ctc", repo=repository, checkpoint=ctc)
    return repository


@pytest.fixture(scope="session")
def family_repository(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each of FAMILIES, in process, and by BLS with -bls behind its name; sub-batches of four."""
    repository = tmp_path_factory.mktemp("family_repository")
    for name, (family, made) in models.FAMILIES.items():
        folder = made if isinstance(made, Path) else made(tmp_path_factory.mktemp(name))
        built = load(family).build(Checkpoint(folder, name), FamilyOptions())
        populate(built, name, repository, Deployment())
        populate(built, f"{name}-bls", repository, Deployment(runner="bls"))
    for config in repository.glob("*/config.pbtxt"):
        models.choose(config, max_sub_batch="4", max_padding="1.0")
    return repository


@pytest.fixture(scope="session")
def family_server(start_server: StartServer, family_repository: Path) -> Server:
    """A server of all families, for tests that leave it as it was."""
    return start_server(family_repository)


@pytest.fixture(scope="session")
def demo_server(start_server: StartServer, demo_repository: Path) -> Server:
    """A server of the demo models, for tests that leave it as it was."""
    return start_server(demo_repository)
