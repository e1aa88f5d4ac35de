"""Any game by its name."""

import numpy as np
import pytest

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.envs import (
    AtariVecEnv,
    find_env,
    load_protocol,
    make_vec_env,
)


@pytest.mark.parametrize(
    ("name", "game"),
    [
        ("Aim", "Aim"),
        ("aim", "Aim"),
        ("rl_coordconv/Aim-v0", "Aim"),
        ("ms_pacman", "MsPacman"),
        ("ALE/Pong-v5", "Pong"),
    ],
)
def test_spellings(name, game):
    spec = find_env(name)
    assert spec.name == game
    assert spec.has_protocols == (game != "Aim")
    assert spec.alternates_beside_gpu == (game != "Aim")


def test_unknown_games_are_refused_with_the_closest():
    with pytest.raises(UnknownNameError, match="did you mean 'Aim'"):
        find_env("Aimm")
    with pytest.raises(UnknownNameError, match="did you mean 'Pong'"):
        find_env("Pogn")


def test_what_is_made_of_a_name():
    atari = make_vec_env("Pong", 2, protocol=load_protocol("machado"), num_threads=1)
    assert isinstance(atari, AtariVecEnv)
    assert atari.protocol.name == "machado"
    atari.close()
    aim = make_vec_env("Aim", 3, protocol=None, seed=7, split="held-out")
    images = aim.reset()
    assert images.shape == (3, 1, 116, 116)
    assert all(np.argwhere(image[0]).min() >= 57 for image in images)  # centres above 58
    again = make_vec_env("Aim", 3, protocol=None, seed=7, split="held-out")
    assert np.array_equal(again.reset(), images)
    assert not np.array_equal(images[0], images[1])
    for _ in range(16):
        _, _, dones, infos = aim.step(np.zeros(3, int))
    assert dones.all()
    assert [info["episode"]["l"] for info in infos] == [16] * 3
    assert "terminal_observation" in infos[0]


def test_what_cannot_be_made_is_refused():
    with pytest.raises(InputError, match="'Pong' needs a protocol"):
        make_vec_env("Pong", 1, protocol=None)
    with pytest.raises(UnknownNameError, match="did you mean 'train'"):
        make_vec_env("Aim", 1, protocol=None, split="trian")


def test_only_our_own_games_hold_something_out():
    assert find_env("Aim").splits == ("held-out",)
    assert find_env("Pong").splits == ()
