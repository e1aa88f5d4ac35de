"""FIRE after a lost life, and screens in colour."""

import numpy as np
import pytest
from atari_play import play, random_actions

from rl_coordconv._util.errors import InputError
from rl_coordconv.envs import load_protocol

DEEPMIND = load_protocol("deepmind")


class TestFire:
    """Serving the ball after a lost life."""

    def frozen_after_first_life(self, env):
        """Do nothing until a life is lost; tell if the screen moves then, and who pressed."""
        observation = env.reset()
        for _ in range(200):
            observation, _, dones, infos = env.step(np.array([0]))
            if dones[0]:
                break
        assert dones[0]
        replaced = []
        for _ in range(15):
            observation, _, _, infos = env.step(np.array([0]))
            replaced.append(infos[0].get("executed_action"))
        moving = not np.array_equal(observation[0][-1], observation[0][-2])
        return moving, replaced

    def test_off_the_ball_waits_for_the_agent(self, make):
        moving, replaced = self.frozen_after_first_life(make("Breakout", 1))
        assert not moving
        assert set(replaced) == {None}

    def test_on_it_is_pressed_once_and_told(self, make):
        protocol = DEEPMIND.model_copy(update={"fire_on_life_loss": True})
        moving, replaced = self.frozen_after_first_life(make("Breakout", 1, protocol=protocol))
        assert moving
        assert replaced[0] == 1
        assert set(replaced[1:]) == {None}

    @pytest.mark.parametrize("name", ["deepmind", "machado"])
    def test_on_it_is_pressed_where_only_whole_games_end_too(self, make, name):
        """An agent that never had to serve the ball would wait for the time limit."""
        pressing = load_protocol(name).model_copy(update={"fire_on_life_loss": True})
        env = make("Breakout", 2, protocol=pressing.for_evaluation(), seed=2)
        env.reset()
        env.step(np.array([1, 1]))
        lives, lost, games, expected = env.lives.copy(), 0, 0, np.array([False, False])
        for _ in range(400):
            _, _, dones, infos = env.step(np.array([0, 0]))
            assert [info.get("executed_action") == 1 for info in infos] == expected.tolist()
            expected = (env.lives < lives) & ~dones
            lives, lost, games = env.lives.copy(), lost + expected.sum(), games + dones.sum()
        assert lost >= 8
        assert games >= 2

    def test_games_without_fire_are_left_alone(self, make):
        protocol = DEEPMIND.model_copy(update={"fire_on_life_loss": True})
        env = make("MsPacman", 1, protocol=protocol)
        assert "FIRE" not in env.action_meanings
        _, results = play(env, random_actions(env, 500))
        assert any(step[2][0] for step in results)
        assert not any("executed_action" in step[3][0] for step in results)


class TestScreens:
    """Screens in colour."""

    @pytest.mark.parametrize("protocol", ["deepmind", "machado"])
    def test_the_twin_plays_the_same_game(self, make, protocol):
        cv2 = pytest.importorskip("cv2")
        env = make("Breakout", 2, protocol=protocol, render_mode="rgb_array")
        assert env.get_images() == [None, None]
        env.reset()
        assert env.render_mode == "rgb_array"
        for row in random_actions(env, 300):
            observation, _, _, _ = env.step(row)
            for image, stack in zip(env.get_images(), observation, strict=True):
                assert image.shape == (210, 160, 3)
                grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
                small = cv2.resize(grey, (84, 84), interpolation=cv2.INTER_AREA)
                # Breakout has no flicker, so colour pooling makes no difference beyond rounding.
                assert np.abs(small.astype(int) - stack[-1]).max() <= 2

    def test_unseeded_twins_agree_too(self, make):
        cv2 = pytest.importorskip("cv2")
        env = make("Breakout", 1, seed=None, render_mode="rgb_array")
        for _ in range(2):  # the second reset draws from the generators as they are by then
            env.reset()
            for row in random_actions(env, 60):
                observation, _, _, _ = env.step(row)
            grey = cv2.cvtColor(env.get_images()[0], cv2.COLOR_RGB2GRAY)
            small = cv2.resize(grey, (84, 84), interpolation=cv2.INTER_AREA)
            assert np.abs(small.astype(int) - observation[0][-1]).max() <= 2

    def test_a_step_that_reset_drops_is_dropped_by_the_twin_too(self, make):
        cv2 = pytest.importorskip("cv2")
        env = make("Breakout", 2, render_mode="rgb_array")
        env.reset()
        for row in random_actions(env, 20):
            env.step(row)
        env.step_async(np.array([2, 2]))
        env.reset()
        for row in random_actions(env, 60, seed=1):
            observation, _, _, _ = env.step(row)
            for image, stack in zip(env.get_images(), observation, strict=True):
                grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
                small = cv2.resize(grey, (84, 84), interpolation=cv2.INTER_AREA)
                assert np.abs(small.astype(int) - stack[-1]).max() <= 2

    def test_an_unknown_mode_is_refused(self, make):
        with pytest.raises(InputError, match="render_mode 'human'"):
            make(render_mode="human")
