"""What compose makes of the files and of a user's variables, without starting anything."""

import json

import pytest

from tests.docker.project import Project

pytestmark = pytest.mark.docker


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("docker-compose.tls.yml", "set AURICLE_TLS to the folder that holds server.crt"),
        ("docker-compose.s3.yml", "set AURICLE_S3_REPO to s3://BUCKET/PREFIX"),
    ],
)
def test_a_missing_variable_is_asked_for(engine: None, file: str, sentence: str) -> None:
    answer = Project((file,)).compose("config", check=False)
    assert answer.returncode != 0
    assert sentence in answer.stderr


def test_the_gpu_file_reserves_the_named_device_and_builds_on_the_named_tag(engine: None) -> None:
    project = Project(("docker-compose.gpu.yml",), {"AURICLE_GPU": "3", "TRITON_TAG": "25.07"})
    server = json.loads(project.compose("config", "--format", "json").stdout)["services"]["server"]
    (device,) = server["deploy"]["resources"]["reservations"]["devices"]
    assert (device["device_ids"], device["capabilities"]) == (["3"], ["gpu"])
    assert (server["build"]["target"], server["build"]["args"]["TRITON_TAG"]) == ("gpu", "25.07")
