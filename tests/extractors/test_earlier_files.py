"""Files written when ``coordconv`` meant ``coordconv-paper`` load as what they were.

``tests/data/format_1.tar.xz`` was made by the last version before that: models with known
weights and the value that each gave an image, configurations of runs and the names of their
directories, and a sweep's description.
"""

import json
import tarfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3
import torch

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents import A2C
from rl_coordconv.agents.portable import load_portable, save_portable
from rl_coordconv.extractors import CoordConvCnnPolicy, extractor_policy_kwargs
from rl_coordconv.extractors.registry import find_extractor, from_format_1
from rl_coordconv.reports.planned import read_plan
from rl_coordconv.runs import RunConfig
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.plan import SweepConfig

ARCHIVE = Path(__file__).resolve().parents[1] / "data" / "format_1.tar.xz"
NAMES = ("coordconv", "placebo", "coordconv-all", "impala-coordconv")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "format_1"


@pytest.fixture
def values(files):
    return json.loads((files / "values.json").read_text())


def value_of(policy):
    image = (np.arange(36 * 36) % 251).reshape(1, 1, 36, 36).astype(np.uint8)
    if isinstance(policy.observation_space, gym.spaces.Dict):
        image = {"image": image, "vector": np.array([[0.5, -0.5]], np.float32)}
    with torch.no_grad():
        return policy.predict_values(policy.obs_to_tensor(image)[0]).item()


@pytest.mark.parametrize("cls", [A2C, stable_baselines3.A2C])
@pytest.mark.parametrize("name", NAMES)
def test_a_zip_of_ours_loads_as_it_was(name, cls, files, values):
    file = f"{name}.zip"
    assert value_of(cls.load(files / file, device="cpu").policy) == pytest.approx(values[file])


@pytest.mark.parametrize("name", [*NAMES, "policy-class"])
def test_a_portable_policy_loads_as_it_was(name, files, values):
    assert value_of(load_portable(files / name, "cpu")) == pytest.approx(values[name])


@pytest.mark.parametrize("file", ["policy-class.zip", "combined.zip"])
def test_a_model_whose_class_chooses_the_form_loads_as_it_was(file, files, values):
    model = stable_baselines3.PPO.load(files / file, device="cpu")
    assert value_of(model.policy) == pytest.approx(values[file])


def test_a_policy_by_itself_loads_as_it_was(files, values):
    policy = CoordConvCnnPolicy.load(files / "policy-class.pt", device="cpu")
    assert value_of(policy) == pytest.approx(values["policy-class.pt"])


@pytest.mark.parametrize("file", ["policy-class.zip", "combined.zip"])
def test_a_model_saved_again_stays_what_it_is(file, files, values, tmp_path):
    model = stable_baselines3.PPO.load(files / file, device="cpu")
    model.save(tmp_path / "again.zip")
    again = stable_baselines3.PPO.load(tmp_path / "again.zip", device="cpu")
    assert value_of(again.policy) == pytest.approx(values[file])


def test_its_policy_saved_by_itself_or_without_pickle_stays_what_it_is(files, values, tmp_path):
    """Both write down the extractor's options, which have to be those that the weights have."""
    model = stable_baselines3.PPO.load(files / "policy-class.zip", device="cpu")
    model.policy.save(tmp_path / "again.pt")
    again = CoordConvCnnPolicy.load(tmp_path / "again.pt", device="cpu")
    assert value_of(again) == pytest.approx(values["policy-class.zip"])
    save_portable(model, tmp_path)
    assert value_of(load_portable(tmp_path, "cpu")) == pytest.approx(values["policy-class.zip"])


def test_runs_keep_the_names_of_their_directories(files):
    for name, (extractor, options) in json.loads((files / "runs.json").read_text()).items():
        config = RunConfig.load(files / f"{name}.yaml")
        assert config.name == name
        assert config.network == from_format_1(extractor, options)


@pytest.mark.parametrize("extractor", ["cnn", "impala"])
def test_runs_of_an_extractor_that_is_the_same_are_not_trained_again(extractor, files):
    (file,) = files.glob(f"*-{extractor}-seed0-*.yaml")
    old = RunConfig.load(file)
    assert old.model_copy(update={"format_version": 2}).hash == old.hash


@pytest.mark.parametrize("extractor", ["coordconv", "placebo", "impala-coordconv"])
def test_runs_of_one_that_is_not_are_told_apart(extractor, files):
    for file in files.glob(f"*-{extractor}-seed0-*.yaml"):
        old = RunConfig.load(file)
        assert old.model_copy(update={"format_version": 2}).hash != old.hash


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{}, {"coordinate_scale": "kernel", "features_dim": 8}])
def test_what_a_name_meant_is_the_class_with_its_own_defaults(name, options):
    cls, kwargs = find_extractor(*from_format_1(name, options))
    where = "all" if name == "coordconv-all" else "first"
    published = {"coordinate_scale": 1.0, "coordinate_init": "default", "where": where}
    assert kwargs == published | options
    assert cls is extractor_policy_kwargs(name)["features_extractor_class"]


def test_a_sweeps_description_plans_what_it_planned(files, tmp_path):
    (tmp_path / "sweep.yaml").write_text((files / "sweep.yaml").read_text())
    arms = {arm for _, _, arm, *_ in read_plan(tmp_path).runs}
    assert arms == {
        "cnn", "coordconv-paper", "placebo(coordinate_init=default, coordinate_scale=1.0)"
    }  # fmt: skip
    directory = SweepDirectory(tmp_path)
    today = SweepConfig.build(
        {"games": ["Aim"], "agents": ["ppo-aim"], "seeds": 1, "total_timesteps": 512}, "test"
    )
    with pytest.raises(InputError, match="coordconv is called coordconv-paper now.*2 of its runs"):
        directory.prepare(today)
    directory.prepare(today, mix=True)
    assert {arm for _, _, arm, *_ in read_plan(tmp_path).runs} == {"cnn", "coordconv", "placebo"}


def test_a_sweep_whose_extractors_mean_what_they_did_goes_on_without_a_word(tmp_path):
    today = SweepConfig.build({"games": ["Aim"], "extractors": ["cnn"], "seeds": 2}, "test")
    today.save(tmp_path / "sweep.yaml")
    text = (tmp_path / "sweep.yaml").read_text()
    (tmp_path / "sweep.yaml").write_text(text.replace("format_version: 2\n", ""))
    assert SweepDirectory(tmp_path).prepare(today) == []
