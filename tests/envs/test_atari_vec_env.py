"""AtariVecEnv's semantics, each against an independent account of the same games."""

import numpy as np
import pytest
from ale_py.vector_env import AtariVectorEnv
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from rl_coordconv.envs import AtariVecEnv, load_protocol
from rl_coordconv.errors import InputError

DEEPMIND = load_protocol("deepmind")


@pytest.fixture
def make():
    """Build environments and close them."""
    made = []

    def build(game="Breakout", n_envs=2, **options):
        made.append(AtariVecEnv(game, n_envs, **({"seed": 0} | options)))
        return made[-1]

    yield build
    for env in made:
        env.close()


def random_actions(env, steps, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, env.action_space.n, (steps, env.num_envs))


def play(env, actions):
    """Return everything the environment says to a sequence of actions."""
    first = env.reset()
    return first, [env.step(row) for row in actions]


def test_spaces_types_and_first_observation(make):
    env = make("Pong", 3)
    observation = env.reset()
    assert env.observation_space.shape == (4, 84, 84)
    assert env.action_meanings == ["NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"]
    assert env.action_space.n == 6
    assert observation.shape == (3, 4, 84, 84)
    assert observation.dtype == np.uint8
    observation, rewards, dones, infos = env.step(np.zeros(3, dtype=np.int64))
    assert rewards.dtype == np.float32
    assert dones.dtype == np.bool_
    assert infos == [{}, {}, {}]
    assert len({id(info) for info in infos}) == 3
    assert env.observation_space.contains(observation[0])


@pytest.mark.parametrize("game", ["Breakout", "SpaceInvaders", "MsPacman", "Pong"])
def test_episodes_equal_those_of_an_independent_emulator(make, game):
    """Raw scores, lengths and ends against ale-py's own bookkeeping in its other reset mode."""
    env = make(game, 2, seed=11)
    whole = AtariVectorEnv(
        env.game.rom, 1, autoreset_mode="NextStep", reward_clipping=False, life_loss_info=False
    )
    steps = {"Pong": 2600, "MsPacman": 1500}.get(game, 900)
    actions = random_actions(env, steps)
    _, results = play(env, actions)
    ours = [
        (step, infos[0]["episode"]["r"], infos[0]["episode"]["l"])
        for step, (_, _, _, infos) in enumerate(results)
        if "episode" in infos[0]
    ]
    expected, score, rewards = [], 0, []
    whole.reset(seed=11)
    for step, row in enumerate(actions):
        _, reward, terminated, truncated, info = whole.step(row[:1])
        score += int(reward[0])
        rewards.append(int(reward[0]))
        if terminated[0] or truncated[0]:
            expected.append((step, score, int(info["episode_frame_number"][0])))
            score = 0
            whole.step(np.array([0]))  # this mode spends a step on the reset
    assert len(expected) >= 2
    assert ours == expected
    assert [float(np.sign(r)) for r in rewards] == [float(step[1][0]) for step in results]


def test_a_lost_life_is_done_without_an_episode_and_without_a_new_game(make):
    env = make("Breakout", 1)
    env.reset()
    lives, dones_with_life_lost, ends = [int(env.lives[0])], 0, 0
    for row in random_actions(env, 600):
        observation, _, dones, infos = env.step(row)
        now = int(env.lives[0])
        if 0 < now < lives[-1]:
            dones_with_life_lost += 1
            assert dones[0]
            assert "episode" not in infos[0]
            assert infos[0]["TimeLimit.truncated"] is False
            assert np.array_equal(infos[0]["terminal_observation"], observation[0])
            # the stack of images goes on: nothing was cleared
            assert all(image.any() for image in observation[0])
        elif dones[0]:
            ends += 1
            assert "episode" in infos[0]
            assert now == 5
            # a new game: only the newest image is there
            assert not observation[0][:3].any()
            assert infos[0]["terminal_observation"].any(axis=(1, 2)).all()
        lives.append(now)
    assert ends >= 2
    assert dones_with_life_lost == 4 * ends + (5 - lives[-1])


def test_terminal_observations_are_those_of_a_game_that_goes_no_further(make):
    """The emulator leaves them unwritten for lost lives; compare with a whole-game twin."""
    env = make("Breakout", 2, seed=5)
    whole = make("Breakout", 2, seed=5, protocol=DEEPMIND.for_evaluation())
    actions = random_actions(env, 500)
    _, ours = play(env, actions)
    _, theirs = play(whole, actions)
    compared = 0
    for (observation, _, dones, infos), (same, _, ends, others) in zip(ours, theirs, strict=True):
        assert np.array_equal(observation, same)
        for index in np.flatnonzero(dones):
            last = infos[index]["terminal_observation"]
            expected = others[index]["terminal_observation"] if ends[index] else same[index]
            assert np.array_equal(last, expected)
            assert last.base is None  # a view would keep the whole batch alive
            compared += 1
    assert compared >= 10


def test_machado_ends_episodes_with_games_only_and_sticks(make):
    env = make("Breakout", 2, protocol="machado")
    _, results = play(env, random_actions(env, 600))
    done_infos = [infos[index] for _, _, dones, infos in results for index in np.flatnonzero(dones)]
    assert len(done_infos) >= 3
    assert all("episode" in info for info in done_infos)
    sure = make("Breakout", 2, protocol=load_protocol("machado").model_copy(
        update={"repeat_action_probability": 0.0}))  # fmt: skip
    _, without = play(sure, random_actions(env, 600))
    assert any(not np.array_equal(a[0], b[0]) for a, b in zip(results, without, strict=True))


def test_always_sticking_makes_actions_meaningless(make):
    stuck = load_protocol("machado").model_copy(update={"repeat_action_probability": 1.0})
    env = make("Breakout", 1, protocol=stuck)
    _, left = play(env, np.full((40, 1), 3))
    env.seed(0)
    _, right = play(env, np.full((40, 1), 2))
    for ours, theirs in zip(left, right, strict=True):
        assert np.array_equal(ours[0], theirs[0])


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_games_are_the_same_for_any_number_of_threads(make, threads):
    reference = make("SpaceInvaders", 4, num_threads=3, seed=9)
    env = make("SpaceInvaders", 4, num_threads=threads, seed=9)
    assert env.num_threads == threads
    actions = random_actions(env, 150)
    first, ours = play(env, actions)
    expected_first, expected = play(reference, actions)
    assert np.array_equal(first, expected_first)
    for got, want in zip(ours, expected, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(got[:3], want[:3], strict=True))


def test_seeds_are_consecutive_used_once_and_tell_games_apart(make):
    env = make("Breakout", 3, seed=4)
    actions = random_actions(env, 30)
    first, results = play(env, actions)
    alone = make("Breakout", 1, seed=5)
    alone_first, alone_results = play(alone, actions[:, 1:2])
    assert np.array_equal(alone_first[0], first[1])
    for got, want in zip(alone_results, results, strict=True):
        assert np.array_equal(got[0][0], want[0][1])
    assert env.seed(4) == [4, 5, 6]
    again, _ = play(env, actions)
    assert np.array_equal(again, first)
    others = [play(env, actions[:5])[1][-1][0] for _ in range(4)]  # not seeded again
    assert any(not np.array_equal(other, results[4][0]) for other in others)


@pytest.mark.parametrize("seed", [-1, 2**31 - 1, 1.5, True, "1"])
def test_seeds_that_do_not_fit_are_refused(make, seed):
    env = make("Pong", 2)
    with pytest.raises(InputError, match=f"seed {seed!r}"):
        env.seed(seed)


def test_the_last_seed_fits(make):
    env = make("Pong", 2, seed=2**31 - 2)
    assert env.reset().shape == (2, 4, 84, 84)
    assert all(0 <= seed < 2**31 for seed in env.seed(None))


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.array([0, 4]), r"action 4 of environment 1 is not between 0 and 3 \(NOOP, FIRE"),
        (np.array([-1, 0]), "action -1 of environment 0"),
        (np.array([0]), r"shape \(2,\), one for each environment, not \(1,\)"),
        (np.array([[0], [0]]), r"not \(2, 1\)"),
        (np.array([0.0, 1.0]), "integers, not float64"),
        (np.array([True, False]), "integers, not bool"),
    ],
)
def test_an_action_that_does_not_exist_is_refused_and_the_game_goes_on(make, actions, message):
    env, twin = make(), make()
    env.reset(), twin.reset()
    with pytest.raises(InputError, match=message):
        env.step(actions)
    for row in random_actions(env, 10):
        assert np.array_equal(env.step(row)[0], twin.step(row)[0])


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_any_integer_type_will_do(make, dtype):
    env = make()
    env.reset()
    env.step(np.array([1, 2], dtype=dtype))
    env.step([1, 2])


def test_calls_out_of_order_are_refused(make):
    env = make()
    with pytest.raises(RuntimeError, match="reset"):
        env.step(np.zeros(2, dtype=int))
    env.reset()
    with pytest.raises(RuntimeError, match="step_async"):
        env.step_wait()
    env.step_async(np.zeros(2, dtype=int))
    with pytest.raises(RuntimeError, match="step_wait"):
        env.step_async(np.zeros(2, dtype=int))
    env.seed(0)
    first = env.reset()  # the step under way is dropped
    assert np.array_equal(first, make().reset())
    env.step(np.zeros(2, dtype=int))
    env.close()
    env.close()
    with pytest.raises(RuntimeError, match="closed"):
        env.reset()


def test_time_limits_truncate_and_begin_a_new_game(make):
    short = DEEPMIND.model_copy(update={"max_frames_per_episode": 40, "noop_max": 0})
    env = make("Breakout", 2, protocol=short)
    _, results = play(env, np.zeros((25, 2), dtype=int))
    ends = [step for step, (_, _, dones, _) in enumerate(results) if dones[0]]
    assert ends[0] == 9  # ten steps of four frames
    observation, _, _, infos = results[9]
    assert infos[0]["TimeLimit.truncated"] is True
    assert infos[0]["episode"]["l"] == 40 + 1  # and the frame that FIRE was held for
    assert not observation[0][:3].any()
    assert infos[0]["terminal_observation"].any(axis=(1, 2)).all()


def test_rewards_are_raw_where_the_protocol_says_so(make):
    clipped, raw = make("MsPacman", 2), make("MsPacman", 2, protocol=DEEPMIND.for_evaluation())
    actions = random_actions(clipped, 150)
    _, ours = play(clipped, actions)
    _, theirs = play(raw, actions)
    rewards = np.array([step[1] for step in theirs])
    assert rewards.max() >= 10
    assert np.array_equal(np.array([step[1] for step in ours]), np.sign(rewards))


def test_a_step_adds_one_image_to_the_stack(make):
    env = make("Breakout", 2)
    before, results = play(env, random_actions(env, 200))
    for observation, _, dones, infos in results:
        for index in range(2):
            now = infos[index]["terminal_observation"] if dones[index] else observation[index]
            assert np.array_equal(now[:3], before[index][1:])
        before = observation


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

    def test_an_unknown_mode_is_refused(self, make):
        with pytest.raises(InputError, match="render_mode 'human'"):
            make(render_mode="human")


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
