"""What stable-baselines3 and its users ask of a VecEnv."""

import numpy as np
import pytest
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from rl_coordconv._util.errors import InputError
from rl_coordconv.envs import load_protocol

DEEPMIND = load_protocol("deepmind")


class TestAsAVecEnv:
    """What stable-baselines3 and its users ask of a VecEnv."""

    def test_attributes_and_methods(self, make):
        env = make("Pong", 3)
        assert env.get_attr("render_mode") == [None] * 3
        assert env.get_attr("num_threads", indices=[0, 2]) == [env.num_threads] * 2
        assert env.env_method("get_action_meanings", indices=1) == [env.action_meanings]
        assert env.env_is_wrapped(Monitor) == [True] * 3
        assert env.env_is_wrapped(VecMonitor) == [False] * 3
        with pytest.raises(AttributeError, match="nonsense"):
            env.get_attr("nonsense")
        with pytest.raises(AttributeError, match="'nonsense' cannot be called"):
            env.env_method("nonsense")
        with pytest.raises(AttributeError, match="'lives' cannot be set"):
            env.set_attr("lives", 3)

    def test_lives_are_told_for_each_copy(self, make):
        env = make("Breakout", 3, seed=1)
        env.reset()
        for _ in range(400):  # the sub-environments lose their lives at different times
            env.step(np.array([0, 1, 3]))
            if len(set(env.lives.tolist())) == 3:
                break
        lives = env.lives.tolist()
        assert len(set(lives)) == 3
        assert env.get_attr("lives") == lives
        assert env.get_attr("lives", indices=[2, 0]) == [lives[2], lives[0]]

    @pytest.mark.parametrize("protocol", [None, {"name": "deepmind"}, 4])
    def test_what_is_no_protocol_is_refused(self, make, protocol):
        with pytest.raises(InputError, match="protocol .* is neither a name"):
            make(protocol=protocol)

    @pytest.mark.parametrize("n_envs", [0, -1, 1.5, True])
    def test_a_wrong_number_of_environments_is_refused(self, make, n_envs):
        with pytest.raises(InputError, match="n_envs"):
            make(n_envs=n_envs)

    def test_wrong_threads_are_refused(self, make):
        with pytest.raises(InputError, match="num_threads 0"):
            make(num_threads=0)

    def test_evaluate_policy_counts_whole_games_by_hand(self, make):
        model = A2C("CnnPolicy", make("Breakout", 2), device="cpu", seed=0)
        judged = make("Breakout", 2, protocol=DEEPMIND, seed=3)
        returns, lengths = evaluate_policy(
            model, judged, n_eval_episodes=4, deterministic=False, return_episode_rewards=True
        )
        assert len(returns) == len(lengths) == 4
        assert all(length > 400 for length in lengths)  # five balls, not one

    def test_agents_learn_on_it(self, make):
        model = PPO("CnnPolicy", make(), n_steps=16, batch_size=16, n_epochs=1, device="cpu")
        callback = EvalCallback(make(seed=8), n_eval_episodes=1, eval_freq=16, verbose=0,
                                deterministic=False)  # fmt: skip
        model.learn(32, callback=callback)
        assert callback.last_mean_reward >= 0
        DQN("CnnPolicy", make(), buffer_size=64, learning_starts=8, device="cpu").learn(16)

    def test_it_may_be_wrapped(self, make):
        with pytest.warns(UserWarning, match="already wrapped"):
            env = VecMonitor(make())
        env = VecNormalize(env, norm_obs=False)
        env.reset()
        _, rewards, _, _ = env.step(np.zeros(2, dtype=int))
        assert rewards.shape == (2,)

    def test_rewards_take_a_bootstrap_in_place(self, make):
        """SB3 adds gamma * V(terminal) to the rewards it was given."""
        env = make()
        env.reset()
        _, rewards, _, _ = env.step(np.zeros(2, dtype=int))
        rewards[0] += 0.25
        assert rewards[0] == 0.25
