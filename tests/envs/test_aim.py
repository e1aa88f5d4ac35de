"""Aim: what is seen, what is rewarded, where targets are, and what is refused."""

import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env as gymnasium_check
from stable_baselines3.common.env_checker import check_env as sb3_check

import rl_coordconv
from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.envs.aim import COLUMNS, SHOTS, SIDE, column_of, paint, region_places
from rl_coordconv.extractors import extractor_policy_kwargs

ID = "rl_coordconv/Aim-v0"


def what_checkers_say(env):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        gymnasium_check(env)
        sb3_check(env)
    return [str(one.message) for one in said]


@pytest.mark.parametrize("region", ["train", "held-out", "all"])
def test_both_checkers_have_nothing_to_say(region):
    env = gym.make(ID, region=region, render_mode="rgb_array").unwrapped
    assert env.region == region
    assert what_checkers_say(env) == []


def test_checkers_do_speak_of_what_is_wrong():
    env = rl_coordconv.AimEnv(render_mode="rgb_array")
    env.observation_space = gym.spaces.Box(0, 1, (1, SIDE, SIDE), np.float32)
    with pytest.raises(AssertionError, match="observation"):
        what_checkers_say(env)


def test_importing_the_library_registers_it():
    code = f"import gymnasium, rl_coordconv; print(gymnasium.make({ID!r}).unwrapped.region)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "train"
    assert rl_coordconv.AimEnv is type(gym.make(ID).unwrapped)


def test_the_image_shows_the_target_and_nothing_else():
    env = gym.make(ID)
    image, info = env.reset(seed=3)
    x, y = info["target"]
    assert image.shape == (1, 116, 116)
    assert (image == 255).sum() == 25
    rows, columns = np.nonzero(image[0])
    assert (rows.mean(), columns.mean()) == (y, x)
    assert np.array_equal(image, paint(np.array([x, y])))


def test_the_columns_hits_are_rewarded():
    env = gym.make(ID)
    _, info = env.reset(seed=0)
    for shot in range(SHOTS):
        aimed, right = info["column"], shot % 2 == 0
        action = aimed if right else (aimed + 1) % COLUMNS
        _, reward, terminated, truncated, info = env.step(action)
        assert reward == float(right)
        assert info["hit"] is right
        assert terminated == (shot == SHOTS - 1)
        assert not truncated


def test_columns_are_seven_wide():
    assert [column_of(x) for x in (30, 36, 37, 57, 58, 78, 79, 85)] == [0, 0, 1, 3, 4, 6, 7, 7]


def test_regions_are_not_so_clevrs_quadrant_split():
    train, held_out, everywhere = map(region_places, ("train", "held-out", "all"))
    assert (len(train), len(held_out), len(everywhere)) == (2407, 729, 3136)
    assert held_out.min() == 59
    assert {tuple(p) for p in train} | {tuple(p) for p in held_out} == {
        tuple(p) for p in everywhere
    }
    # Every column that is right in the held-out quadrant is right somewhere in training, too.
    assert {column_of(x) for x, _ in held_out} <= {column_of(x) for x, _ in train}


@pytest.mark.parametrize("region", ["train", "held-out"])
def test_targets_appear_in_their_region_alone(region):
    env = gym.make(ID, region=region)
    _, info = env.reset(seed=1)
    seen = {info["target"]}
    for _ in range(60):
        for _ in range(SHOTS):
            info = env.step(0)[-1]
            seen.add(info["target"])
        env.reset()
    places = {tuple(place) for place in region_places(region).tolist()}
    assert seen <= places
    assert len(seen) > 300


def test_a_seed_decides_the_targets():
    def targets(seed):
        env = gym.make(ID)
        env.reset(seed=seed)
        return [env.step(0)[-1]["target"] for _ in range(SHOTS)]

    assert targets(5) == targets(5) != targets(6)


def test_rendering_shows_where_the_last_shot_went():
    env = gym.make(ID, render_mode="rgb_array")
    _, info = env.reset(seed=0)
    assert env.render().shape == (464, 464, 3)
    column = info["column"]
    env.step(column)
    edge = (30 + 7 * column) * 4
    assert env.render()[-1, edge].tolist() == [60, 170, 90]
    env.step((column_of(env.unwrapped._target[0]) + 1) % COLUMNS)
    assert (env.render()[-1] == [200, 60, 60]).all(axis=1).any()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'held-out'"):
        rl_coordconv.AimEnv(region="heldout")
    with pytest.raises(InputError, match="render_mode 'human' is unknown"):
        rl_coordconv.AimEnv(render_mode="human")
    env = rl_coordconv.AimEnv()
    with pytest.raises(InputError, match="call reset first"):
        env.step(0)
    env.reset(seed=0)
    for action in (8, -1):
        with pytest.raises(InputError, match=f"action {action} is no column"):
            env.step(action)


def test_the_margin_hides_the_place_from_a_network_without_coordinates():
    def features(name, x, y):
        torch.manual_seed(0)
        kwargs = extractor_policy_kwargs(name, pooling="mean")
        space = rl_coordconv.AimEnv().observation_space
        extractor = kwargs["features_extractor_class"](space, **kwargs["features_extractor_kwargs"])
        return extractor(torch.as_tensor(paint(np.array([x, y])))[None] / 255)

    # The strides of NatureCNN's convolutions multiply to eight pixels.
    corners = [(30, 30), (78, 30), (30, 78), (78, 78), (54, 46)]
    for name in ("cnn", "placebo"):
        for place in corners[1:]:
            torch.testing.assert_close(features(name, *place), features(name, 30, 30))
    assert not torch.allclose(features("coordconv", 78, 30), features("coordconv", 30, 30))
