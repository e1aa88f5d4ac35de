"""The README's words are true: its Python runs, its files exist, its numbers are the code's."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf8")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"] + [
    str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))
]
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("code", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_run(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = code.replace("1_000_000", "1_000")  # the reader's training is long
    exec(compile(code, "README.md", "exec"), {"__name__": "example"})
    for comment in re.findall(r"^print\(.*\)  # (.*)$", code, flags=re.MULTILINE):
        assert comment in capsys.readouterr().out


def test_there_are_examples():
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    text = (ROOT / document).read_text(encoding="utf8")
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    for link in links:
        assert ((ROOT / document).parent / link).exists(), link


def test_every_flag_of_the_table_exists():
    from rl_coordconv.cli.arguments import flags_of
    from rl_coordconv.cli.train import TrainArguments

    flags = set(
        re.findall(r"`--([a-z-]+)", README.partition("## Training")[2].partition("A run is")[0])
    )
    assert flags == {flag.removeprefix("--") for flag in flags_of(TrainArguments)}


def test_every_extractor_is_in_the_table_with_its_size():
    import numpy as np
    from gymnasium import spaces

    from rl_coordconv.extractors import EXTRACTORS, extractor_policy_kwargs

    space = spaces.Box(0, 255, (4, 84, 84), np.uint8)

    def size(name):
        kwargs = extractor_policy_kwargs(name)
        network = kwargs["features_extractor_class"](space, **kwargs["features_extractor_kwargs"])
        return sum(parameter.numel() for parameter in network.parameters())

    rows = dict(re.findall(r"^\| `([a-z-]+)` \|.*\| ([+ \d,]+) \|$", README, flags=re.MULTILINE))
    assert set(rows) == set(EXTRACTORS)
    # What "+" is on top of, by a word of the name.
    bases = {"impala": "impala", "impoola": "impoola", "pool": "cnn-pool"}
    for name, stated in rows.items():
        number = int(stated.replace("+", "").replace(",", ""))
        base = next((bases[part] for part in name.split("-") if part in bases), "cnn")
        start = size(base) if stated.startswith("+") else 0
        assert start + number == size(name), name


def test_no_absolute_path_of_a_machine_and_no_secret_workplace():
    for name in DOCUMENTS:
        assert not re.search(r"(?<![\w.])/(home|root|tmp|Users)/", (ROOT / name).read_text())


def test_the_presets_are_those_the_readme_names():
    names = {path.stem for path in (ROOT / "agents").glob("*.yaml")}
    assert names == {"a2c", "ppo", "ppo-quick", "ppo-short", "ppo-aim"}
    for name in names:
        assert f"`{name}`" in README
        assert yaml.safe_load((ROOT / "agents" / f"{name}.yaml").read_text())["algorithm"] in (
            "a2c",
            "ppo",
        )
