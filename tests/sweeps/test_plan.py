"""What a sweep consists of, and which directories it agrees to work in."""

import itertools

import pytest

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.envs import load_suite
from rl_coordconv.runs.seeds import training_seed
from rl_coordconv.sweeps.backends import local
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.plan import SweepConfig
from rl_coordconv.sweeps.resources import Resources, allocate


def config(**changes):
    values = {"games": ("Pong", "ALE/Breakout-v5"), "extractors": ("cnn", "coordconv"), "seeds": 2,
              "total_timesteps": 1024}  # fmt: skip
    return SweepConfig.build(values | changes, "the test")


def test_it_is_every_game_with_every_agent_extractor_and_seed():
    runs = config(agents=("ppo", "a2c")).runs()
    arms = [(run.game, run.agent, run.extractor, run.seed) for run in runs]
    assert len(set(arms)) == len(arms) == 2 * 2 * 2 * 2
    # Seed by seed, arms side by side: what is there early can be compared.
    assert arms[:2] == [("Pong", "ppo", "cnn", 0), ("Pong", "ppo", "coordconv", 0)]
    assert {arm[3] for arm in arms[:8]} == {0}
    assert len({run.name for run in runs}) == len(runs)
    assert {run.total_timesteps for run in runs} == {1024}
    assert {run.initialization for run in runs} == {"paired"}


def test_a_suite_brings_its_games_and_protocol(tmp_path):
    runs = SweepConfig.build({"suite": "atari-5", "seeds": 1}, "the test").runs()
    assert {run.game for run in runs} == set(load_suite("atari-5").games)
    assert {run.protocol.name for run in runs} == {"deepmind"}


def test_no_two_seeds_share_games():
    runs = config(seeds=3).runs()
    firsts = sorted({training_seed(run.seed) for run in runs})
    assert len(firsts) == 3
    assert min(b - a for a, b in itertools.pairwise(firsts)) > 1024


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"games": ()}, InputError, "either a suite, games or an env, not none of them"),
        ({"suite": "atari-5"}, InputError, "not suite and games"),
        ({"games": ("Pong", "pong")}, InputError, "'Pong' is given twice in games"),
        ({"extractors": ("cnn", "cnn")}, InputError, "'cnn' is given twice in extractors"),
        ({"agents": ("ppo", "mine/ppo.yaml")}, InputError, "'ppo' is given twice in agents"),
        ({"extractors": ("cn",)}, UnknownNameError, "did you mean 'cnn'"),
        ({"seeds": 0}, InputError, "seeds"),
        ({"seeds": "5"}, InputError, "seeds"),
        ({"total_timesteps": "1e6"}, InputError, "total_timesteps"),
        ({"total_timestep": 5}, InputError, "did you mean 'total_timesteps'"),
        ({"extractor_kwargs": {"impala": {"depths": 1}}}, InputError, "not among the extractors"),
    ],
)
def test_what_cannot_be_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        config(**changes).runs()


def test_the_description_survives_its_file(tmp_path):
    before = config(extractor_kwargs={"coordconv": {"with_r": True}})
    before.save(tmp_path / "sweep.yaml")
    assert SweepConfig.load(tmp_path / "sweep.yaml") == before


def test_more_of_the_same_is_added(tmp_path):
    directory = SweepDirectory(tmp_path / "sweep")
    assert directory.prepare(config()) == []
    assert directory.prepare(config()) == []
    (news,) = directory.prepare(config(seeds=3))
    assert news == "4 runs are added to the 8 before (seeds was 2, is 3)"
    assert SweepConfig.load(directory.config_file).seeds == 3


def test_another_sweep_is_not_mixed_in_without_being_asked(tmp_path):
    directory = SweepDirectory(tmp_path / "sweep")
    directory.prepare(config())
    with pytest.raises(InputError, match="total_timesteps was 1024, is 2048.*--mix"):
        directory.prepare(config(total_timesteps=2048))
    assert SweepConfig.load(directory.config_file) == config()
    (news,) = directory.prepare(config(total_timesteps=2048), mix=True)
    assert news.startswith("8 runs of an earlier description stay")


def test_one_sweep_at_a_time(tmp_path):
    directory = SweepDirectory(tmp_path)
    with (
        directory.locked(),
        pytest.raises(InputError, match="another process"),
        SweepDirectory(tmp_path).locked(),
    ):
        pass
    with directory.locked():
        pass


@pytest.mark.parametrize(
    ("jobs", "cores", "gpus", "n_runs", "want"),
    [
        (None, 16, 0, 100, Resources(16, 1, 0)),
        (4, 16, 0, 100, Resources(4, 4, 0)),
        (None, 16, 0, 3, Resources(3, 5, 0)),
        (None, 16, 2, 100, Resources(4, 4, 2)),
        (8, 2, 1, 100, Resources(8, 1, 1)),
    ],
)
def test_cores_and_gpus_are_divided(monkeypatch, jobs, cores, gpus, n_runs, want):
    module = "rl_coordconv.sweeps.resources"
    monkeypatch.setattr(f"{module}.available_cores", lambda: cores)
    monkeypatch.setattr(f"{module}.torch.cuda.device_count", lambda: gpus)
    got = allocate(jobs, n_runs, "auto")
    assert got == want
    assert [got.gpu_of(slot) for slot in range(3)] == [
        None if gpus == 0 else slot % gpus for slot in range(3)
    ]


@pytest.mark.parametrize(("visible", "want"), [(None, "1"), ("", "1"), ("2,5", "5")])
def test_gpus_keep_their_names(monkeypatch, visible, want):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert local._name_of(1) == want


def test_a_directory_that_cannot_be_made_is_an_error_of_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the sweep's directory"):
        SweepDirectory(tmp_path / "file" / "sweep").make()


def test_no_job_is_no_sweep():
    with pytest.raises(InputError, match="jobs 0 is not at least 1"):
        allocate(0, 5, "cpu")
