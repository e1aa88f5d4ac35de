"""ale-py's binding can go: the vector environment's documented methods play the same games."""

import ale_py
import numpy as np
import pytest

from rl_coordconv.envs import AtariVecEnv, emulator


class Documented:
    """A vector environment without its binding."""

    def __init__(self, env):
        self._env = env

    def __getattr__(self, name):
        if name == "ale":
            raise AttributeError(name)
        return getattr(self._env, name)


def play(game, protocol, steps=60):
    env = AtariVecEnv(game, n_envs=3, protocol=protocol, seed=4, num_threads=1,
                      render_mode="rgb_array")  # fmt: skip
    seen, drawn = [env.reset()], np.random.default_rng(0)
    for _ in range(steps):
        observations, rewards, dones, _ = env.step(drawn.integers(env.action_space.n, size=3))
        seen += [observations, rewards, dones]
    screens, names = env.get_images(), env.action_meanings
    env.close()
    return [*seen, *screens], names


@pytest.mark.parametrize(("game", "protocol"), [("Breakout", "deepmind"), ("Pong", "machado")])
def test_the_same_games_are_played_without_the_binding(game, protocol, monkeypatch):
    want, names = play(game, protocol)
    assert emulator.HAS_BINDING
    make = emulator.AtariVectorEnv
    monkeypatch.setattr(emulator, "AtariVectorEnv", lambda *a, **k: Documented(make(*a, **k)))
    monkeypatch.setattr(emulator, "HAS_BINDING", False)
    found, found_names = play(game, protocol)
    assert found_names == names
    assert all(map(np.array_equal, found, want))
    assert len(found) == len(want)


@pytest.mark.parametrize("name", ["send", "recv", "get_action_set"])
def test_a_binding_without_a_method_is_not_used(name, monkeypatch):
    methods = {"send", "recv", "get_action_set"} - {name}
    monkeypatch.setattr(ale_py, "ALEVectorInterface", type("Other", (), dict.fromkeys(methods)))
    assert not emulator.has_binding()
