"""The rollout buffer on the network's device, against stable-baselines3's."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.buffers import RolloutBuffer

from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer

SPACE = gym.spaces.Box(0, 255, (4, 9, 7), np.uint8)
STEPS, ENVS = 6, 3


def fill(cls):
    buffer = cls(STEPS, SPACE, gym.spaces.Discrete(5), device="cpu", gamma=0.9, gae_lambda=0.8,
                 n_envs=ENVS)  # fmt: skip
    random = np.random.default_rng(0)
    buffer.reset()
    for _ in range(STEPS):
        buffer.add(
            random.integers(0, 256, (ENVS, *SPACE.shape)).astype(np.uint8),
            random.integers(0, 5, (ENVS, 1)),
            random.normal(size=ENVS).astype(np.float32),
            random.random(ENVS) < 0.3,
            torch.from_numpy(random.normal(size=(ENVS, 1)).astype(np.float32)),
            torch.from_numpy(random.normal(size=ENVS).astype(np.float32)),
        )
    last = torch.from_numpy(random.normal(size=(ENVS, 1)).astype(np.float32))
    buffer.compute_returns_and_advantage(last, np.array([True, False, False]))
    return buffer


FIELDS = ("observations", "actions", "rewards", "episode_starts", "values", "log_probs",
          "advantages", "returns")  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_it_holds_what_sb3s_holds(field):
    mine, theirs = (getattr(fill(cls), field) for cls in (DeviceRolloutBuffer, RolloutBuffer))
    assert mine.shape == theirs.shape
    assert mine.dtype == theirs.dtype
    np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("batch_size", [None, 4])
def test_it_hands_out_the_same_minibatches_in_the_same_order(batch_size):
    batches = []
    for cls in (DeviceRolloutBuffer, RolloutBuffer):
        buffer = fill(cls)
        np.random.seed(3)
        batches.append(list(buffer.get(batch_size)))
    assert len(batches[0]) == len(batches[1]) == (1 if batch_size is None else 5)
    for mine, theirs in zip(*batches, strict=True):
        for ours, stock in zip(mine, theirs, strict=True):
            torch.testing.assert_close(ours, stock, rtol=1e-6, atol=1e-7, check_stride=False)


@pytest.mark.parametrize("field", ["observations", "actions", "values", "log_probs", "advantages",
                                   "returns"])  # fmt: skip
def test_what_is_written_into_its_arrays_after_it_was_read_is_read_next(field):
    """As by a callback at the end of a training, before `train` is called once more."""
    results = []
    for cls in (DeviceRolloutBuffer, RolloutBuffer):
        buffer = fill(cls)
        list(buffer.get())
        array = getattr(buffer, field)
        array[4:] = 1
        assert getattr(buffer, field) is array
        np.random.seed(3)
        (batch,) = buffer.get()
        results.append([*batch, torch.as_tensor(array)])
        setattr(buffer, field, np.zeros_like(array))
        np.random.seed(3)
        (batch,) = buffer.get()
        results[-1] += [*batch, torch.as_tensor(getattr(buffer, field))]
        buffer.reset()
        results[-1] += [torch.as_tensor(array), torch.as_tensor(getattr(buffer, field))]
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7, check_stride=False,
                                   check_dtype=False)  # fmt: skip


def test_returns_of_one_environment_can_be_computed_again_after_it_was_read():
    results = []
    for cls in (DeviceRolloutBuffer, RolloutBuffer):
        buffer = cls(STEPS, SPACE, gym.spaces.Discrete(5), device="cpu", n_envs=1)
        buffer.reset()
        for step in range(STEPS):
            buffer.add(np.zeros((1, *SPACE.shape), np.uint8), np.zeros((1, 1), int), np.ones(1),
                       np.zeros(1), torch.full((1, 1), 0.1 * step), torch.zeros(1))  # fmt: skip
        buffer.compute_returns_and_advantage(torch.zeros(1, 1), np.zeros(1))
        list(buffer.get())
        advantages = buffer.advantages
        buffer.values[...] = 0.5
        buffer.compute_returns_and_advantage(torch.zeros(1, 1), np.zeros(1))
        results.append((advantages.copy(), buffer.returns.copy()))
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine.reshape(theirs.shape), theirs, rtol=1e-6)


def test_returns_cannot_be_computed_after_it_was_read():
    for cls in (DeviceRolloutBuffer, RolloutBuffer):
        buffer = fill(cls)
        list(buffer.get())
        with pytest.raises(ValueError, match="broadcast|after `get`"):
            buffer.compute_returns_and_advantage(torch.zeros(ENVS, 1), np.zeros(ENVS, bool))
    with pytest.raises(ValueError, match="after `get` has read the rollout"):
        mine = fill(DeviceRolloutBuffer)
        list(mine.get())
        mine.compute_returns_and_advantage(torch.zeros(ENVS, 1), np.zeros(ENVS, bool))


def test_minibatches_are_the_same_with_whole_numbers_for_actions():
    buffer = fill(DeviceRolloutBuffer)
    np.random.seed(3)
    samples = next(buffer.get(4))
    np.random.seed(3)
    batch = next(buffer.minibatches(4))
    assert batch.actions.dtype is torch.int64
    assert batch.actions.tolist() == samples.actions.flatten().tolist()
    assert torch.equal(batch.images, samples.observations)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_the_full_batch_is_the_minibatch_unshuffled_and_draws_as_much():
    buffer = fill(DeviceRolloutBuffer)
    np.random.seed(3)
    shuffled = next(buffer.minibatches())
    after = np.random.random()
    np.random.seed(3)
    straight = buffer.full_batch()
    assert np.random.random() == after
    np.random.seed(3)
    env, step = np.divmod(np.random.permutation(STEPS * ENVS), STEPS)
    for mine, theirs in zip(straight.tensors(), shuffled.tensors(), strict=True):
        assert torch.equal(mine[step * ENVS + env], theirs)


class Known:
    """Activations that are cached for every image."""

    def joined(self, images):
        return [torch.zeros(len(images), 1)]


@pytest.mark.parametrize("change", [None, "reset", "look", "assign"])
def test_other_images_have_no_activations(change):
    buffer = fill(DeviceRolloutBuffer)
    buffer.activations = Known()
    if change == "reset":
        buffer.reset()
    elif change == "look":
        assert buffer.observations.shape == (STEPS, ENVS, *SPACE.shape)
    elif change == "assign":
        buffer.observations = np.zeros_like(buffer.observations)
    cached = buffer.take_activations()
    assert (cached is None) is (change is not None)
    if change is None:
        assert len(cached[0]) == STEPS * ENVS
        assert buffer.take_activations() is None  # once


def test_on_the_cpu_the_arrays_are_the_buffer():
    buffer = fill(DeviceRolloutBuffer)
    buffer.advantages[2, 1] = 42.0
    buffer.returns = np.full((STEPS, ENVS), 7.0, np.float32)
    batch = next(buffer.minibatches())
    assert (batch.advantages == 42.0).sum() == 1
    assert (batch.returns == 7.0).all()


def test_a_rollout_that_is_not_complete_is_not_handed_out():
    buffer = fill(DeviceRolloutBuffer)
    buffer.reset()
    with pytest.raises(AssertionError, match="not complete"):
        next(buffer.get())


def test_explained_variance_is_sb3s():
    from stable_baselines3.common.utils import explained_variance

    buffer = fill(DeviceRolloutBuffer)
    want = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
    assert buffer.explained_variance().item() == pytest.approx(want, rel=1e-5)
    buffer.returns = np.ones((STEPS, ENVS), np.float32)
    assert np.isnan(buffer.explained_variance().item())
