"""AtariVecEnv's semantics, each against an independent account of the same games."""

import numpy as np
import pytest
from ale_py.vector_env import AtariVectorEnv
from atari_play import play, random_actions

from rl_coordconv._util.errors import InputError
from rl_coordconv.envs import load_protocol

DEEPMIND = load_protocol("deepmind")


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


@pytest.mark.parametrize(
    "game",
    [
        "Breakout",
        "MsPacman",
        *(pytest.param(game, marks=pytest.mark.slow) for game in ("SpaceInvaders", "Pong")),
    ],
)
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


def test_games_are_the_same_for_any_number_of_threads(make):
    reference = make("SpaceInvaders", 4, num_threads=3, seed=9)
    actions = random_actions(reference, 150)
    expected_first, expected = play(reference, actions)
    for threads in (1, 2, 4):
        env = make("SpaceInvaders", 4, num_threads=threads, seed=9)
        assert env.num_threads == threads
        first, ours = play(env, actions)
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


NO_ACTIONS = [
    (np.array([0, 4]), r"action 4 of environment 1 is not between 0 and 3 \(NOOP, FIRE"),
    (np.array([-1, 0]), "action -1 of environment 0"),
    (np.array([0]), r"shape \(2,\), one for each environment, not \(1,\)"),
    (np.array([[0], [0]]), r"not \(2, 1\)"),
    (np.array([0.0, 1.0]), "integers, not float64"),
    (np.array([True, False]), "integers, not bool"),
]


def test_an_action_that_does_not_exist_is_refused_and_the_game_goes_on(make):
    env, twin = make(), make()
    env.reset(), twin.reset()
    for actions, message in NO_ACTIONS:
        with pytest.raises(InputError, match=message):
            env.step(actions)
        for row in random_actions(env, 10):
            assert np.array_equal(env.step(row)[0], twin.step(row)[0])


def test_any_integer_type_will_do(make):
    env, twin = make(), make()
    env.reset(), twin.reset()
    types = [np.int64, np.int32, np.uint8]
    for step, row in enumerate(random_actions(env, 60)):
        observation, rewards, dones, _ = env.step(row.astype(types[step % 3]))
        expected = twin.step(row.tolist())
        assert np.array_equal(observation, expected[0])
        assert np.array_equal(rewards, expected[1])
        assert np.array_equal(dones, expected[2])


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
