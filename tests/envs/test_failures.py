"""What an environment does wrong is named where it happens, with the step and the value."""

import numpy as np
import own_envs
import pytest
from gymnasium import spaces

from rl_coordconv._util.errors import EnvironmentFailedError
from rl_coordconv.envs.state.monitor import ResumableMonitor


class Wrong(own_envs.Corners):
    """Does something wrong at its third step."""

    def __init__(self, wrong):
        super().__init__()
        self.wrong = wrong

    def step(self, action):
        observation, *rest = super().step(action)
        if self.steps == 3:
            return self.wrong(observation, *rest)
        return observation, *rest


def raise_error(*_):
    raise RuntimeError("the engine has stopped")


def returning(observation=None, reward=None):
    def wrong(image, value, *rest):
        return (observation(image) if observation else image, value if reward is None else reward,
                *rest)  # fmt: skip

    return wrong


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (raise_error, "raised RuntimeError: the engine has stopped"),
        (returning(reward=float("nan")), "returned a reward of nan"),
        (returning(reward=float("inf")), "returned a reward of inf"),
        (returning(reward="much"), "raised ValueError: could not convert"),
        (returning(lambda image: image[:-1]),
         "returned observation of the shape (39, 40, 3); its space has (40, 40, 3)"),
        (returning(lambda image: image.astype(float)),
         "returned observation in float64; its space is of uint8"),
        (returning(lambda image: image.tolist()), "returned a list as observation, not an array"),
        (lambda *_: None, "raised TypeError: cannot unpack"),
    ],
)  # fmt: skip
def test_it_is_named(wrong, said):
    env = ResumableMonitor(Wrong(wrong))
    env.reset(seed=0)
    env.step(0), env.step(0)
    with pytest.raises(EnvironmentFailedError) as failed:
        env.step(0)
    told = str(failed.value)
    assert told.startswith("the environment's step, after 2 steps of a sub-environment, ")
    assert said in told


class Vectors(own_envs.Mixed):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def look(self):
        return self.change(super().look())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda o: o | {"speed": np.array([np.nan, 0], np.float32)},
         "returned observation['speed'] that is not finite"),
        (lambda o: {"image": o["image"]},
         "returned an observation of ['image'], not ['image', 'speed']"),
    ],
)  # fmt: skip
def test_parts_of_an_observation_are_named(change, said):
    env = ResumableMonitor(Vectors(change))
    assert isinstance(env.observation_space, spaces.Dict)
    with pytest.raises(EnvironmentFailedError) as failed:
        env.reset(seed=0)
    assert str(failed.value) == (
        f"the environment's reset, after 0 steps of a sub-environment, {said}"
    )
