"""Whatever a command is given that it cannot use: one line, exit code 2, and no work done."""

import importlib.util
import os
import shutil
from pathlib import Path

import bad_values as bad
import pytest
import recording
import yaml
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rl_coordconv._util.presets import preset_path
from rl_coordconv.agents.build import build_agent
from rl_coordconv.agents.portable import save_portable
from rl_coordconv.cli import main
from rl_coordconv.cli.main import COMMANDS, one_line
from rl_coordconv.envs import make_vec_env
from rl_coordconv.runs import RunDirectory, RunState, Status
from rl_coordconv.training.resolve import resolve_run

TRAIN = ("train", "--game", "Pong", "--agent", "small.yaml", "--device", "cpu")
SMALL = {"n_envs": 2, "n_steps": 16, "batch_size": 16, "n_epochs": 1, "n_timesteps": 64}


def write_preset(path: Path, name: str = "ppo", **changes: object) -> None:
    data = yaml.safe_load(preset_path("agents", "agent", name).read_text())
    small = {key: value for key, value in SMALL.items() if key in data}
    path.write_text(yaml.safe_dump(data | small | changes), encoding="utf8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A finished run's directory as `train` leaves it, without having trained."""
    folder = tmp_path_factory.mktemp("finished")
    write_preset(folder / "small.yaml")
    config = resolve_run("Aim", agent=str(folder / "small.yaml"), device="cpu", precision="fp32")
    run = RunDirectory.create(config, folder / "runs")
    env = make_vec_env("Aim", 2, protocol=None)
    save_portable(build_agent(config.preset, env, precision="fp32", device="cpu"), run.path)
    run.episodes_file.write_text("#{}\nr,l,t,step\n2.0,16,1.0,32\n3.0,16,2.0,64\n")
    Status(state=RunState.DONE, num_timesteps=64, total_timesteps=64).save(run.status_file)
    return run.path


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """A folder with a file, folders and special files; and no work of any kind."""
    monkeypatch.chdir(tmp_path)
    write_preset(tmp_path / "small.yaml")
    Path("file").write_text("x")
    for name in ("folder", "folder.yaml", "folder.png", "folder.mp4", "folder.onnx",
                 "taken.onnx.json"):  # fmt: skip
        Path(name).mkdir()
    os.mkfifo("pipe.yaml")
    os.symlink("nowhere", "dangling.yaml")
    os.symlink("loop.yaml", "loop.yaml")

    def begin(*args, **kwargs):
        raise AssertionError("work began")

    monkeypatch.setattr(OnPolicyAlgorithm, "learn", begin)
    for name in (
        "training.train.train",
        "sweeps.run.sweep",
        "training.evaluate.evaluate_policy",
        "training.video._record",
        "reports.gather.compare",
        "reports.curves._draw_game",
        "exports.export.to_onnx",
        "trackers.uploading.upload",
        "tasks.run.run_task",
        "benchmarks.env.measure",
        "benchmarks.layer.measure",
        "benchmarks.train.measure_emulator",
        "benchmarks.train.measure",
    ):
        monkeypatch.setattr(f"rl_coordconv.{name}", begin)


@pytest.fixture
def refused(tmp_path, capsys):
    """Run a command that must be refused, and return its answer."""

    def run(*argv: str, left: int = 0) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert main(argv) == 2
        out, error = capsys.readouterr()
        assert out == ""
        assert error.startswith("error: ")
        assert len(error.splitlines()) == 1
        assert error.removesuffix("\n").isprintable()
        assert len(error) < 2100
        assert sorted(tmp_path.rglob("*")) == before
        return error

    return run


@pytest.mark.parametrize("word", ["", " ", "trian", "TRAIN", "a\x00", "[/b]", "x" * 100_000])
def test_no_command(refused, word):
    assert "unknown command" in refused(word)


@pytest.mark.parametrize("flag", ["--game", "--agent", "--seed", "--logdir", "--extractor-kwargs"])
@pytest.mark.parametrize("word", bad.NO_WORDS)
def test_words_that_say_nothing_or_cannot_be_shown(refused, flag, word):
    assert bad.NO_WORDS[word].format(flag=flag) in refused("train", flag, word)


@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"benchmark"}))
def test_they_are_refused_in_every_command(refused, command):
    assert "'' is empty" in refused(command, "")
    assert "'' after '--output' is empty" in refused(command, "--output", "")


@pytest.mark.parametrize("flag", ["--seed", "--n-envs", "--total-timesteps", "--threads"])
@pytest.mark.parametrize("value", bad.NO_INTEGERS)
def test_what_is_no_integer(refused, flag, value):
    assert flag in refused(*TRAIN, flag, value)


@pytest.mark.parametrize(("flag", "value", "answer"), bad.NUMBERS + bad.NAMES)
def test_train(refused, flag, value, answer):
    flags = dict(zip(TRAIN[1::2], TRAIN[2::2], strict=True)) | {flag: value}
    assert answer in refused("train", *(word for pair in flags.items() for word in pair))


def test_a_game_that_looks_like_a_flag(refused):
    answer = refused("train", "--game", "-v5")
    # tyro 1.0 takes it for the value, later versions for a flag.
    assert "unknown game '-v5'" in answer or "Missing value for argument '--game'" in answer


@pytest.mark.parametrize(("option", "answer"), bad.OPTIONS)
def test_options_of_an_extractor(refused, option, answer):
    assert answer in refused(*TRAIN, "--extractor-kwargs", option)


@pytest.mark.parametrize(("words", "answer"), bad.SETTINGS)
def test_hyperparameters_over_a_presets(refused, words, answer):
    assert answer in refused(*TRAIN, "--set", *words)


def test_flags_given_twice_or_unknown(refused):
    assert "--seed is given 2 times" in refused(*TRAIN, "--seed", "1", "--seed", "1")
    assert "--n-envs is given 2 times" in refused(*TRAIN, "--n-envs=2", "--n_envs", "2")
    assert "--profile is given 2 times" in refused(*TRAIN, "--profile", "--no-profile")
    assert "did you mean --seed?" in refused(*TRAIN, "--sead", "1")
    assert "Unrecognized options: Pong" in refused("train", "Pong")
    twice = ("with_r=true", "with_r=true")
    assert "'with_r' is given twice" in refused(*TRAIN, "--extractor-kwargs", *twice)


@pytest.mark.parametrize(("key", "value", "answer"), bad.PRESET_VALUES)
def test_values_of_a_preset(refused, key, value, answer):
    write_preset(Path("small.yaml"), **{key: value})
    assert answer in refused(*TRAIN)


@pytest.mark.parametrize(("kwargs", "answer"), bad.RMSPROP_VALUES)
def test_arguments_of_rmsprop(refused, kwargs, answer):
    write_preset(Path("small.yaml"), "a2c", optimizer_kwargs=kwargs)
    assert answer in refused(*TRAIN)


def test_one_step_has_no_advantages_to_normalise(refused):
    write_preset(Path("small.yaml"), "a2c", n_envs=1, n_steps=1, normalize_advantage=True)
    assert "normalize_advantage needs rollouts of more than one step" in refused(*TRAIN)


@pytest.mark.parametrize(("content", "answer"), bad.FILES)
def test_files_that_are_no_preset_suite_or_sweep(refused, content, answer):
    Path("bad.yaml").write_bytes(content)
    assert answer in refused("train", "--game", "Pong", "--agent", "bad.yaml")
    assert answer in refused("sweep", "bad.yaml")
    assert answer in refused("sweep", "--suite", "bad.yaml")


@pytest.mark.parametrize(("line", "answer"), bad.SWEEP_FILES)
def test_files_of_a_sweep(refused, line, answer):
    fields = {"games": "[Pong]", "agents": "[small.yaml]", "extractors": "[cnn]", "seeds": "1"}
    name, _, value = line.partition(": ")
    text = "".join(f"{key}: {value}\n" for key, value in (fields | {name: value}).items())
    Path("sweep.yaml").write_text(text)
    assert answer in refused("sweep", "sweep.yaml", "--output", "out")


@pytest.mark.parametrize(("flags", "answer"), bad.SWEEP_FLAGS)
def test_sweep(refused, flags, answer):
    assert answer in refused("sweep", *flags)


@pytest.mark.parametrize(("words", "answer"), bad.EVALUATE)
def test_evaluate(refused, finished, words, answer):
    assert answer in refused("evaluate", *located(words, finished))


@pytest.mark.parametrize(("words", "answer"), bad.CURVES)
def test_curves(refused, finished, words, answer):
    assert answer in refused("curves", *located(words, finished))


@pytest.mark.parametrize(("words", "answer"), bad.EXPORT)
def test_export(refused, finished, words, answer):
    assert answer in refused("export", *located(words, finished))


@pytest.mark.parametrize(
    ("command", "words", "answer"),
    [("push", *one) for one in bad.PUSH] + [("pull", *one) for one in bad.PULL],
)
def test_push_and_pull(refused, finished, monkeypatch, command, words, answer):
    there = importlib.util.find_spec
    hub = "huggingface_hub"
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *_: None if name == hub else there(name)
    )
    assert answer in refused(command, *located(words, finished))


@pytest.mark.parametrize(("words", "answer"), bad.TRACK)
def test_track(refused, finished, monkeypatch, words, answer):
    recording.register(monkeypatch)
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *_: None if name == "wandb" else there(name)
    )
    assert answer in refused("track", *located(words, finished))


@pytest.mark.parametrize(("words", "answer"), bad.COMPARE)
def test_compare(refused, finished, words, answer):
    assert answer in refused("compare", *located(words, finished))


@pytest.mark.parametrize(("flags", "answer"), bad.TASK)
def test_task(refused, flags, answer):
    named = (
        flags if not flags or {"--task", "--all"} & {*flags} else ["--task", "rendering", *flags]
    )
    assert answer in refused("task", *named)


@pytest.mark.parametrize(("words", "answer"), bad.BENCHMARK)
def test_benchmark(refused, words, answer):
    assert answer in refused("benchmark", *words)


def test_a_finished_run_is_not_trained_with_other_flags(refused, finished):
    resume = ("train", "--resume", str(finished))
    assert "--threads 0 is not at least 1" in refused(*resume, "--threads", "0")
    # The default's value, too: whoever writes it means it.
    assert "--seed 0 cannot be changed with --resume" in refused(*resume, "--seed", "0")
    assert "--set ('gamma=0.9',) cannot be changed" in refused(*resume, "--set", "gamma=0.9")
    assert "--extractor-kwargs ('with_r=true',) cannot be changed" in refused(
        *resume, "--extractor-kwargs", "with_r=true"
    )


@pytest.mark.parametrize(
    ("old", "new", "answer"),
    [
        ("n_steps: 16", "n_steps: 1000000000", "1,000,000,000 x 2 x 13,456 = "),
        ("n_envs: 2", "n_envs: 2000", "n_envs 2000 is not at most 1024"),
        ("n_envs: 2", "n_envs: 3\n  n_envs: 2", "key 'n_envs' is given twice"),
        ("batch_size: 16", "batch_size: 7", "batch_size 7 does not divide"),
        ("kwargs: {}", "kwargs: {features_dim: 2000000000}", "7,744 x 2,000,000,000 weights"),
        ("kwargs: {}", "kwargs: {features_dims: 5}", "did you mean 'features_dim'"),
        ("extractor: coordconv", "extractor: coordcon", "did you mean 'coordconv'"),
        ("seed: 0", "seed: 0\nsead: 1", "sead: unknown key (value 1); did you mean 'seed'?"),
    ],
)
def test_a_runs_configuration_is_checked_again(refused, finished, old, new, answer):
    text = (finished / "config.yaml").read_text()
    assert old in text
    Path("folder/config.yaml").write_text(text.replace(old, new))
    assert answer in refused("train", "--resume", "folder")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"{}", b"null"])
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("status.json", ["train", "--resume", "folder"]),
        ("status.json", ["evaluate", "folder"]),
        ("policy.json", ["evaluate", "folder"]),
        ("evaluation.json", ["curves", "folder"]),
    ],
)
def test_damaged_files_of_a_run_are_named(refused, finished, name, command, content):
    shutil.copytree(finished, "folder", dirs_exist_ok=True)
    Path("folder", name).write_bytes(content)
    assert name in refused(*command)


@pytest.mark.parametrize("content", [b"\xff\n", b"#{}\nr,l,t,step\nx,y,z,w\n", b"#{}\na,b\n1,2\n"])
def test_damaged_games_of_a_run_are_named(refused, finished, content):
    shutil.copytree(finished, "folder", dirs_exist_ok=True)
    Path("folder/monitor.csv").write_bytes(content)
    assert "folder/monitor.csv is damaged" in refused("curves", "folder")


@pytest.mark.parametrize("content", ["{", "{}", "null", '{"mean": 1.0}'])
def test_a_finished_runs_damaged_evaluation_is_named(finished, monkeypatch, capsys, content):
    monkeypatch.setattr("rl_coordconv.training.train.train", lambda *_, **__: 0)
    shutil.copytree(finished, "folder", dirs_exist_ok=True)
    Path("folder/evaluation.json").write_text(content)
    assert main(["train", "--resume", "folder"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: folder/evaluation.json ")
    assert len(error.splitlines()) == 1


def test_libraries_that_are_missing_are_named_first(refused, finished, monkeypatch):
    there = importlib.util.find_spec
    missing = {"matplotlib", "imageio_ffmpeg"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in missing else there(name)
    )
    run, sweep = str(finished), str(finished.parent)
    assert "pip install 'rl-coordconv[report]'" in refused("curves", run)
    assert "pip install 'rl-coordconv[report]'" in refused("compare", sweep)
    assert "pip install 'rl-coordconv[video]'" in refused("evaluate", run, "--video", "x.mp4")


def test_a_message_is_one_line_that_a_terminal_shows():
    assert one_line("a\nb  c") == "a b c"
    assert one_line("\x1b[31m red \udcff") == "\\x1b[31m red \\udcff"
    assert len(one_line("x" * 10_000)) == 2003


def located(words: list[str], run: Path) -> list[str]:
    """Put a finished run's directory, and the one above it, in the places of their names."""
    places = {"RUN": str(run), "SWEEP": str(run.parent)}
    return [places.get(word, word) for word in words]
