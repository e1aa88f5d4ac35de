"""Groups of environments stepped in turn: the same games, whatever a callback does."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from images_env import make_blinking
from stable_baselines3.common.callbacks import BaseCallback
from torch.nn.utils import parameters_to_vector

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents import A2C, PPO
from rl_coordconv.envs import AtariVecEnv, load_protocol
from rl_coordconv.envs.alternating import AlternatingVecEnv
from rl_coordconv.extractors import extractor_policy_kwargs

SHORT = load_protocol("deepmind").model_copy(update={"max_frames_per_episode": 400})
"""Episodes of 100 agent steps."""
SMALL = {A2C: {"n_steps": 5}, PPO: {"n_steps": 16, "batch_size": 32, "n_epochs": 1}}


def grouped(sizes, threads=1, game="Breakout"):
    return AlternatingVecEnv(
        [AtariVecEnv(game, size, protocol=SHORT, num_threads=threads) for size in sizes]
    )


def train(cls, env, steps, callback=None):
    kwargs = extractor_policy_kwargs("coordconv", features_dim=16)
    model = cls("CnnPolicy", env, policy_kwargs=kwargs, seed=3, device="cpu", precision="fp32",
                **SMALL[cls])  # fmt: skip
    model.learn(steps, callback=callback)
    return model


def weights(model):
    return parameters_to_vector(model.policy.parameters()).detach()


@pytest.mark.parametrize("cls", [A2C, PPO])
def test_groups_train_what_one_environment_trains(cls):
    whole = train(cls, AtariVecEnv("Breakout", 4, protocol=SHORT, num_threads=2), 448)
    parts = train(cls, grouped([2, 2]), 448)
    uneven = train(cls, grouped([3, 1], threads=2), 448)
    assert len(whole.ep_info_buffer) > 0
    for model in (parts, uneven):
        # A convolution rounds a smaller batch differently; the games are the same.
        assert (weights(model) - weights(whole)).norm() < 2e-2 * weights(whole).norm()
        assert [e["r"] for e in model.ep_info_buffer] == [e["r"] for e in whole.ep_info_buffer]
        np.testing.assert_array_equal(model.rollout_buffer.actions, whole.rollout_buffer.actions)
        np.testing.assert_array_equal(model._last_obs, whole._last_obs)


def test_groups_train_the_same_every_time_for_any_number_of_threads():
    results = [weights(train(A2C, grouped([2, 2], threads), 200)) for threads in (1, 2, 1)]
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


class Ending(BaseCallback):
    def __init__(self, how):
        super().__init__()
        self.how, self.observations = how, []

    def _on_step(self):
        self.observations.append(self.locals["new_obs"].copy())
        if self.n_calls < 3:
            return True
        if self.how == "error":
            raise RuntimeError("enough")
        return False


def test_a_callback_sees_every_step_of_all_groups():
    whole, parts = Ending("stop"), Ending("stop")
    train(A2C, AtariVecEnv("Breakout", 4), 100, whole)
    model = train(A2C, grouped([2, 2]), 100, parts)
    np.testing.assert_array_equal(whole.observations, parts.observations)
    assert model.num_timesteps == 12


@pytest.mark.parametrize("how", ["stop", "error"])
def test_after_a_callback_ended_it_no_step_is_left_in_flight(how):
    env = grouped([2, 2])
    model = A2C("CnnPolicy", env, n_steps=5, device="cpu", seed=0)
    with pytest.raises(RuntimeError, match="enough") if how == "error" else nullcontext():
        model.learn(100, callback=Ending(how))
    np.testing.assert_array_equal(model._last_obs.shape, (4, 4, 84, 84))
    env.step(np.zeros(4, int))  # would raise if one were
    model.learn(20, reset_num_timesteps=False)


def test_copies_are_numbered_and_seeded_through():
    whole, parts = AtariVecEnv("Pong", 5, seed=8), grouped([2, 3], game="Pong")
    parts.seed(8)
    np.testing.assert_array_equal(whole.reset(), parts.reset())
    for step in range(40):
        actions = (np.arange(5) + step) % 6
        for mine, theirs in zip(parts.step(actions), whole.step(actions), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert parts.get_attr("num_threads", [0, 4]) == [1, 1]
    assert parts.env_method("get_action_meanings", indices=3) == [whole.action_meanings]
    assert len(parts.reset_infos) == 5


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="at least one group"):
        AlternatingVecEnv([])
    with pytest.raises(InputError, match="groups must have the same spaces"):
        AlternatingVecEnv([AtariVecEnv("Pong", 1), make_blinking(1)])
    with pytest.raises(InputError, match="3 actions for 2 environments"):
        grouped([1, 1]).step_async(np.zeros(3, int))
