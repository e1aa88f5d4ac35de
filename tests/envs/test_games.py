"""Games in all spellings."""

import gymnasium as gym
import pytest

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.envs import Game, game_names, resolve_game


def test_there_are_all_single_player_games_of_ale_py():
    registered = {spec.name for spec in gym.registry.values() if spec.namespace == "ALE"}
    assert len(game_names()) == 104
    assert set(game_names()) == registered


@pytest.mark.parametrize("name", game_names())
def test_every_game_is_found_in_every_spelling(name):
    game = resolve_game(name)
    assert game.name == name
    ids = (f"ALE/{name}-v5", f"ale/{name}-v5", f"{name}-v4", f"{name}NoFrameskip-v4",
           f"{name}Deterministic-v0")  # fmt: skip
    spellings = (name, name.lower(), name.upper(), game.rom, f" {name} ", *ids)
    for spelling in spellings:
        assert resolve_game(spelling) == game, spelling


def test_names_by_hand():
    assert resolve_game("ALE/MsPacman-v5") == Game("MsPacman", "ms_pacman")
    assert resolve_game("tic_tac_toe_3d") == Game("TicTacToe3D", "tic_tac_toe_3d")
    assert resolve_game("UpNDown") == Game("UpNDown", "up_n_down")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("Pogn", UnknownNameError, "unknown game 'Pogn'; did you mean 'Pong'"),
        ("mspacmann", UnknownNameError, "'MsPacman'"),
        ("", UnknownNameError, "unknown game ''"),
        (None, InputError, "game None is not a name"),
        ("CartPole-v1", UnknownNameError, "unknown game 'CartPole-v1'"),
        ("ALE/Pong-ram-v5", InputError, "only images are supported: 'Pong'"),
        ("Pong-ramNoFrameskip-v4", InputError, "only images are supported: 'Pong'"),
        ("combat", InputError, "more than one player"),
        ("maze_craze", InputError, "more than one player"),
    ],
)
def test_what_cannot_be_played_is_refused(name, error, message):
    with pytest.raises(error, match=message):
        resolve_game(name)
