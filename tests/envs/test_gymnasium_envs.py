"""Any environment of Gymnasium's registry: found, checked, presented as a file says."""

import numpy as np
import pytest
from gymnasium import spaces
from own_envs import Corners
from stable_baselines3.common.vec_env import SubprocVecEnv, VecFrameStack

from rl_coordconv._util import importing
from rl_coordconv._util.errors import InputError
from rl_coordconv.envs import (
    Presentation,
    build_presentation,
    check_environment,
    find_env,
    import_env,
    import_wrappers,
    load_presentation,
    make_vec_env,
)


def presented(**values) -> Presentation:
    return build_presentation(values, "the test")


@pytest.fixture
def untrusting(monkeypatch):
    """Nobody has vouched for anything yet."""
    monkeypatch.setattr(importing, "_trusted", set())


def test_an_environment_is_seen_as_stable_baselines3_shows_it():
    spec = find_env("Corners-v0", presented(kwargs={"side": 44}))
    observations, actions = spec.spaces(None)
    assert observations == spaces.Box(0, 255, (3, 44, 44), np.uint8)
    assert actions == spaces.Discrete(4)
    assert (spec.steps_per_second(None), spec.splits, spec.reference) == (5.0, (), None)
    assert not spec.has_protocols


def test_a_seed_makes_the_same_episodes_and_sub_environments_differ():
    images = []
    for _ in range(2):
        env = make_vec_env("Corners-v0", 4, presentation=presented(), seed=3)
        images.append([env.reset(), *(env.step(np.zeros(4, int))[0] for _ in range(7))])
        env.close()
    np.testing.assert_array_equal(images[0], images[1])
    first = np.array(images[0])
    assert len({first[:, i].tobytes() for i in range(4)}) > 1


def test_every_episode_is_told_with_its_raw_return():
    env = make_vec_env("Corners-v0", 1, presentation=presented(), seed=0)
    env.reset()
    told = [env.step(np.zeros(1, int))[3][0].get("episode") for _ in range(5)]
    assert told[:4] == [None] * 4
    assert told[4]["l"] == 5


def test_what_is_done_to_images_is_done_in_order():
    shown = presented(grayscale=True, resize=20, frame_stack=3)
    env = make_vec_env("Corners-v0", 2, presentation=shown, seed=0)
    assert isinstance(env, VecFrameStack)
    assert env.observation_space.shape == (20, 20, 3)
    first = env.reset()
    assert first.shape == (2, 20, 20, 3)
    assert not first[..., :2].any()  # nothing was seen before
    # A square of 8 x 8 at 200, of 40 x 40 pixels, is one of 4 x 4 now.
    assert np.count_nonzero(first[0, ..., 2]) == 16
    assert set(np.unique(first[..., 2])) == {0, 200}


def test_what_is_rendered_takes_the_place_of_what_is_observed():
    with pytest.raises(InputError, match="an image is needed.*pixels: true"):
        check_environment("Blind-v0", presented())
    assert check_environment("Blind-v0", presented(pixels=True)) == []
    env = make_vec_env("Blind-v0", 1, presentation=presented(pixels=True), seed=1)
    assert env.observation_space.shape == (40, 40, 3)
    assert (env.reset() == 200).sum() == 8 * 8 * 3
    assert isinstance(env.action_space, spaces.Box)


def test_episodes_are_cut_where_the_file_says():
    env = make_vec_env("Corners-v0", 1, presentation=presented(max_episode_steps=3), seed=1)
    env.reset()
    infos = [env.step(np.zeros(1, int))[3][0] for _ in range(3)]
    assert infos[2]["TimeLimit.truncated"]
    assert infos[2]["episode"]["l"] == 3


def test_processes_play_what_one_process_plays():
    plays = []
    for kind in ("dummy", "subproc"):
        env = make_vec_env("Corners-v0", 2, presentation=presented(vec_env=kind), seed=5)
        assert isinstance(env, SubprocVecEnv) == (kind == "subproc")
        plays.append([env.reset(), env.step(np.zeros(2, int))[0]])
        env.close()
    np.testing.assert_array_equal(plays[0], plays[1])


def test_wrappers_of_others_need_trust_and_those_known_here_do_not(untrusting):
    doubled = presented(env_wrapper=[{"own_envs.Doubled": {"factor": 3.0}}])
    with pytest.raises(InputError, match="wrapper 'own_envs:Doubled' is code from .*--trust"):
        find_env("Corners-v0", doubled)
    import_wrappers(doubled)
    env = make_vec_env("Corners-v0", 1, presentation=doubled, seed=0)
    env.reset()
    rewards = {float(env.step(np.zeros(1, int))[1][0]) for _ in range(30)}
    assert rewards == {0.0, 3.0}

    known = presented(env_wrapper="gymnasium.wrappers.GrayscaleObservation")
    with pytest.raises(InputError, match="an image is needed"):  # without its channel
        find_env("Corners-v0", known).spaces(None)


def test_a_module_is_imported_only_for_who_asks(untrusting, tmp_path, monkeypatch):
    (tmp_path / "someones_env.py").write_text(
        "import gymnasium\nfrom own_envs import Corners\n"
        "gymnasium.register('Someones-v0', entry_point=Corners)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    name = "someones_env:Someones-v0"
    with pytest.raises(InputError, match="someones_env:Someones-v0' is code from outside"):
        find_env(name, presented())
    import_env(name)
    assert find_env(name, presented()).name == name
    env = make_vec_env(name, 1, presentation=presented())
    assert isinstance(env.envs[0].unwrapped, Corners)


def test_an_image_without_channels_is_told_the_wrapper_that_gives_it_one():
    grey = "gymnasium.wrappers.GrayscaleObservation"
    with pytest.raises(InputError, match=r"without an axis.*ReshapeObservation: .shape: "):
        find_env("Corners-v0", presented(env_wrapper=[grey])).spaces(None)
    reshaped = {"gymnasium.wrappers.ReshapeObservation": {"shape": [40, 40, 1]}}
    env = make_vec_env("Corners-v0", 1, presentation=presented(env_wrapper=[grey, reshaped]))
    assert env.reset().shape == (1, 40, 40, 1)


def test_a_file_calls_nothing_but_wrappers(untrusting, tmp_path, monkeypatch):
    """Packages that are known here have functions that import whatever they are told to."""
    (tmp_path / "never_imported.py").write_text("raise SystemExit('it ran')\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = "rl_coordconv._util.importing:import_module"
    shown = presented(env_wrapper={path: {"name": "x", "module": "never_imported"}})
    with pytest.raises(InputError, match="import_module.*: a gymnasium.Wrapper is needed"):
        find_env("Corners-v0", shown).spaces(None)


def test_a_videos_speed_is_that_of_an_environment_that_needs_arguments():
    shown = presented(kwargs={"side": 44})
    assert find_env("Demanding-v0", shown).steps_per_second(None) == 5.0


@pytest.mark.parametrize(("name", "values", "words"), [
    ("Cornes-v0", {}, "no environment 'Cornes-v0' is registered.*did you mean 'Corners-v0'"),
    ("Corners-v0", {"kwargs": {"sid": 3}}, "cannot be made with sid=3.*unexpected keyword"),
    ("Corners-v0", {"env_wrapper": "gymnasium.wrappers.NoSuch"}, "has no 'NoSuch'"),
    ("Corners-v0", {"env_wrapper": {"gymnasium.wrappers.FrameStackObservation": {"n": 3}}},
     "cannot be put around the environment: TypeError"),
    ("Mixed-v0", {"grayscale": True}, "grayscale is for images.*Dict"),
    ("Corners-v0", {"kwargs": {"channels": 1}, "grayscale": True}, "needs three channels"),
    ("Broken-v0", {}, "does not keep Gymnasium's rules"),
])  # fmt: skip
def test_what_cannot_be_is_told_in_one_sentence(name, values, words):
    with pytest.raises(InputError, match=words):
        presentation = presented(**values)
        find_env(name, presentation)
        check_environment(name, presentation)


def test_a_module_that_fails_is_told_with_its_error(tmp_path, monkeypatch):
    (tmp_path / "failing_env.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="importing 'failing_env' failed: ZeroDivisionError"):
        import_env("failing_env:X-v0")
    with pytest.raises(InputError, match="no module 'missing_env' to import"):
        import_env("missing_env:X-v0")


def test_a_file_holds_the_zoos_words(tmp_path):
    path = tmp_path / "env.yaml"
    path.write_text(
        "env_wrapper:\n  - own_envs.Doubled:\n      factor: 2.5\n  - gymnasium.wrappers.Autoreset\n"
        "frame_stack: 4\nresize: [84, 96]\nvec_env: subproc\n"
    )
    read = load_presentation(path)
    assert [one.path for one in read.env_wrapper] == [
        "own_envs:Doubled", "gymnasium.wrappers:Autoreset"
    ]  # fmt: skip
    assert read.env_wrapper[0].kwargs == {"factor": 2.5}
    assert (read.frame_stack, read.resize, read.vec_env) == (4, (84, 96), "subproc")
    assert build_presentation(read.model_dump(mode="json"), "again") == read


@pytest.mark.parametrize(("text", "words"), [
    ("frame_stak: 4", "frame_stak: unknown key.*did you mean 'frame_stack'"),
    ("frame_stack: 0", "frame_stack"),
    ("normalize: {norm_obs: true}", "norm_obs"),
    ("normalize: true", "normalize"),
    ("frame_stack: 4.0", "frame_stack"),
    ("resize: 0", "resize"),
    ("resize: [84]", "resize"),
    ("resize: big", "resize"),
    ("vec_env: threads", "vec_env"),
    ("env_wrapper: ['no path']", "is no path of the form"),
    ("env_wrapper: [3]", "is no wrapper"),
    ("env_wrapper: [{a.B: {}, c.D: {}}]", "is no wrapper"),
    ("env_wrapper: ['__import__(\"os\").system']", "is no path of the form"),
    ("kwargs: {a: {b: 1}}", "kwargs"),
])  # fmt: skip
def test_what_a_file_may_not_hold(tmp_path, text, words):
    path = tmp_path / "env.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        load_presentation(path)
