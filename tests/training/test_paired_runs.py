"""A run records which initial weights are paired, and names those that cannot be."""

import io

import pytest
from rich.console import Console
from torch import nn

from rl_coordconv.runs.config import InitialPolicy
from rl_coordconv.training.pairing import record_pairing
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.setup import agent_in_one_env


@pytest.fixture(scope="module")
def config():
    run = resolve_run("Aim", agent="ppo-aim", extractor="coordconv")
    return run.model_copy(update={"initialization": "paired"})


def recorded(config, change=lambda policy: None):
    console = Console(file=io.StringIO(), width=40)
    with agent_in_one_env(config, device="cpu", precision="fp32") as model:
        change(model.policy)
        return record_pairing(model, config, console), console.file.getvalue()


def test_the_library_s_own_networks_are_paired_whole_without_a_word(config):
    written, said = recorded(config)
    assert written["paired_weights"]["features_extractor.cnn.0.weight"][0] == 32
    assert len(written["paired_weights"]) == 6
    assert written["unpaired_parameters"] == []
    assert said == ""


def test_parameters_of_other_kinds_are_named(config):
    written, said = recorded(
        config, lambda policy: setattr(policy.features_extractor, "norm", nn.LayerNorm(4))
    )
    names = ["features_extractor.norm.weight", "features_extractor.norm.bias"]
    assert written["unpaired_parameters"] == names
    assert said.endswith(f"convolution's: {', '.join(names)}.\n")


def test_nothing_is_said_where_nothing_is_paired(config):
    for changes in (
        {"initialization": "sb3"},
        {"initial_policy": InitialPolicy(run="x", sha256="0" * 64)},
    ):
        assert recorded(config.model_copy(update=changes)) == ({}, "")
