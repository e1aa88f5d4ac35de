"""The Python of every page runs, from top to bottom, and its YAML is read."""

import re
import sys

import gymnasium
import pytest
import yaml
from documents import DOCUMENTS, ROOT, blocks

from rl_coordconv.envs import load_presentation
from rl_coordconv.extractors import EXTRACTORS
from rl_coordconv.sweeps.plan import SweepConfig

# README's examples are run one by one in test_readme.py.
WITH_PYTHON = [
    name
    for name in DOCUMENTS
    if name != "README.md" and any(one.language == "python" for one in blocks(name))
]
WITH_YAML = [name for name in DOCUMENTS if any(one.language == "yaml" for one in blocks(name))]
SHORTER = {
    r"learn\([\d_]+\)": "learn(16)",
    r"n_steps=\d+": "n_steps=16",
    r"batch_size=\d+": "batch_size=16",
}
"""What a reader trains, who has more time than a test, and what is trained here."""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of a reader's own; what a page imports from it or registers is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    modules, registry, extractors = set(sys.modules), dict(gymnasium.registry), dict(EXTRACTORS)
    yield tmp_path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] == "my_package":
            del sys.modules[name]
    for known, before in ((gymnasium.registry, registry), (EXTRACTORS, extractors)):
        known.clear()
        known.update(before)


def save(block, place):
    file = place / block.file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(block.text, encoding="utf8")


@pytest.mark.parametrize("document", WITH_PYTHON)
def test_python_runs(document, place, capsys):
    names = {"__name__": "example"}
    for block in blocks(document):
        if block.file:
            save(block, place)
        elif block.language == "python" and not block.is_fragment:
            code = block.text
            for pattern, short in SHORTER.items():
                code = re.sub(pattern, short, code)
            exec(compile(code, document, "exec"), names)
            printed = capsys.readouterr().out
            for comment in re.findall(r"^print\(.*\)  # (.*)$", code, flags=re.MULTILINE):
                assert comment in printed


def test_pages_have_python():
    assert {"docs/index.md", "docs/your-agent.md", "docs/your-environment.md",
            "docs/your-extractor.md"} <= set(WITH_PYTHON)  # fmt: skip
    fragments = [one.text for name in DOCUMENTS for one in blocks(name) if one.is_fragment]
    assert len(fragments) == 2  # what cannot run is the exception


@pytest.mark.parametrize("document", WITH_YAML)
def test_yaml_is_read(document, tmp_path):
    for block in blocks(document):
        if block.language != "yaml":
            continue
        data = yaml.safe_load(block.text)
        assert isinstance(data, dict)
        if "games" in data:
            SweepConfig.build(data, document)
        elif block.file:
            path = tmp_path / block.file
            path.write_text(block.text, encoding="utf8")
            assert load_presentation(path).model_dump(exclude_unset=True).keys() == data.keys()


def test_the_first_page_says_what_the_readme_says():
    assert (ROOT / "docs" / "index.md").read_text().count("extractor_policy_kwargs") == 2
