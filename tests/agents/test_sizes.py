"""What does not fit into the memory is refused with the arithmetic, before it is allocated."""

import pytest
import torch

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.presets import preset_names
from rl_coordconv.agents import sizes
from rl_coordconv.agents.presets import change_preset, load_agent_preset
from rl_coordconv.agents.sizes import check_fits
from rl_coordconv.extractors.registry import EXTRACTORS

CPU, ATARI, AIM = torch.device("cpu"), (4, 84, 84), (1, 116, 116)


def needs(monkeypatch, preset, extractor="cnn", shape=ATARI, **options):
    """Return the smallest memory in bytes that is enough."""
    low, high = 0, 2**40
    while low < high:
        middle = (low + high) // 2
        monkeypatch.setattr(sizes, "memory_bytes", lambda middle=middle: middle)
        try:
            check_fits(preset, extractor, options, shape, CPU)
            high = middle
        except InputError:
            low = middle + 1
    return low


def test_a_rollout_of_images(monkeypatch):
    preset = change_preset(load_agent_preset("ppo"), {"n_steps": 10_000, "n_envs": 64})
    assert needs(monkeypatch, preset) == 10_000 * 64 * 4 * 84 * 84
    assert needs(monkeypatch, preset, shape=AIM) == 10_000 * 64 * 116 * 116


@pytest.mark.parametrize(
    ("extractor", "shape", "inputs"),
    [
        ("cnn", ATARI, 64 * 7 * 7),
        ("coordconv", ATARI, 64 * 7 * 7),
        ("placebo", AIM, 64 * 11 * 11),
        ("impala", ATARI, 32 * 11 * 11),
        ("impoola", ATARI, 64),
        ("spatial-softmax", ATARI, 128),
    ],
)
@pytest.mark.parametrize(("agent", "copies"), [("ppo", 4), ("a2c", 3)])
def test_weights_of_the_last_layer(monkeypatch, extractor, shape, inputs, agent, copies):
    preset = load_agent_preset(agent)
    found = needs(monkeypatch, preset, extractor, shape, features_dim=100_000)
    assert found == inputs * 100_000 * 4 * copies


def test_pooling_needs_few_weights(monkeypatch):
    preset = load_agent_preset("ppo")
    found = needs(monkeypatch, preset, "cnn", features_dim=1_000_000, pooling="mean")
    assert found == 64 * 1_000_000 * 4 * 4


def test_the_message_shows_the_arithmetic(monkeypatch):
    monkeypatch.setattr(sizes, "memory_bytes", lambda: 2**30)
    preset = change_preset(load_agent_preset("ppo"), {"n_steps": 10**9})
    with pytest.raises(InputError) as caught:
        check_fits(preset, "cnn", {}, ATARI, CPU)
    assert str(caught.value) == (
        "a rollout holds n_steps x n_envs images of 4 x 84 x 84 bytes: 1,000,000,000 x 8 x 28,224 "
        "= 210,285.2 GiB, which is more than the 1.0 GiB of memory here"
    )


def test_presets_and_extractors_of_ours_fit_into_a_gigabyte(monkeypatch):
    monkeypatch.setattr(sizes, "memory_bytes", lambda: 2**30)
    state = torch.random.get_rng_state()
    for agent in preset_names("agents"):
        for extractor in EXTRACTORS:
            check_fits(load_agent_preset(agent), extractor, {}, ATARI, CPU)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_where_the_system_does_not_tell_nothing_is_refused(monkeypatch):
    monkeypatch.setattr(sizes, "memory_bytes", lambda: None)
    preset = change_preset(load_agent_preset("ppo"), {"n_steps": 10**9})
    check_fits(preset, "cnn", {"features_dim": 2**31 - 1}, ATARI, CPU)
