"""What a run remembers of its machine; of a GPU all that decides what fp32 means there."""

import pytest
import torch

from rl_coordconv.machine import provenance as environment
from rl_coordconv.machine.provenance import describe_environment


@pytest.fixture
def gpu(monkeypatch):
    """A GPU as torch and its driver describe it."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)

    said = {"nvidia-smi": "570.86.15\n570.86.15", "git": "abc123"}
    monkeypatch.setattr(environment, "_output_of", lambda command: said[command[0]])


@pytest.mark.parametrize("tf32", [True, False])
def test_a_gpus_libraries_and_its_arithmetic_are_recorded(gpu, tf32):
    before = torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cudnn.allow_tf32 = tf32
        described = describe_environment(torch.device("cuda"))
    finally:
        torch.backends.cudnn.allow_tf32 = before
    assert described["gpu"] == "NVIDIA H100"
    assert described["cuda"] == {
        "capability": "9.0",
        "runtime": "12.8",
        "driver": "570.86.15",
        "cudnn": 91002,
        "cudnn_benchmark": False,
        "cudnn_deterministic": False,
        "tf32_convolutions": tf32,
        "tf32_matrix_products": False,
        "float32_matmul_precision": "highest",
    }


def test_a_program_that_is_missing_fails_or_says_nothing_is_no_failure(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path))
    answers = []
    for script in (None, "echo 570.86.15", "echo", "echo 570.86.15; exit 9"):
        if script is not None:
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        answers.append(environment._driver_version())
    assert answers == [None, "570.86.15", None, None]


def test_a_setting_that_torch_does_not_tell_is_said_to_be_unknown():
    def refuse():
        raise RuntimeError("mix of the legacy and new APIs\nmore")

    assert environment._setting(refuse) == "unknown: mix of the legacy and new APIs"


def test_without_a_gpu_there_is_nothing_to_tell_of_one():
    described = describe_environment(torch.device("cpu"), env_threads=3)
    assert (described["gpu"], described["cuda"], described["env_threads"]) == (None, None, 3)
