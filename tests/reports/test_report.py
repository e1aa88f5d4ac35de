"""The report's files: complete, offline, and obeying no name that is in them."""

import csv
import html
import io
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from rl_coordconv._util.errors import InputError, MissingExtraError
from rl_coordconv.cli.compare import run as compare_command
from rl_coordconv.reports import formats
from rl_coordconv.reports.gather import gather
from rl_coordconv.reports.markdown import escape
from rl_coordconv.reports.outcomes import Options
from rl_coordconv.reports.render import write_report
from rl_coordconv.runs import RunState
from rl_coordconv.statistics import Interval

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

EVIL = "<script>alert(1)</script>|$x_1$"
QUICK = Options(resamples=100)


class Page(HTMLParser):
    """Collects what a page consists of."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.shown, self.ids = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_data(self, data):
        self.shown.append(data)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, write_run, write_arm):
    """A sweep that is still running, with a hostile import and a hostile error."""
    folder = tmp_path_factory.mktemp("sweep")
    runs = folder / "runs"
    for game in ("Pong", "Breakout"):
        write_arm(runs, "cnn", [0, 1, 2], game=game, evaluation=(1, 3))
        write_arm(runs, "coordconv", [12, 12, 12], game=game, ratios=((1000, 0.7), (9000, 0.9)))
    write_run(runs, extractor="placebo", state=RunState.RUNNING, steps=600)
    write_run(runs, extractor="placebo", seed=1, state=RunState.FAILED, error=f"Error: {EVIL}")
    foreign = folder / "foreign"
    foreign.mkdir()
    rows = "".join(f"5,100,{game}.0\n" for game in range(150))
    (foreign / "monitor.csv").write_text(f'#{{"env_id": "ALE/Pong-v5"}}\nr,l,t\n{rows}')
    return folder


@pytest.fixture(scope="module")
def files(sweep):
    comparison = gather([sweep], {EVIL: sweep / "foreign"}, QUICK)
    return write_report(comparison, sweep / "out", source=f"sweep {EVIL}", made="today")


def test_the_page_tells_everything(files):
    page = Page(files.html.read_text())
    shown = " ".join(" ".join(page.shown).split())
    for text in (
        "13 of 15 runs finished",
        "coordconv vs cnn",
        "cannot be told. With ppo, 1 seed a game and 12,000 agent steps a run",  # the import
        "coordconv scored 0.31 more than cnn in the IQM of human-normalised scores over 1 game",
        "By game: better on 2 of 2",
        "after Holm's correction 2 of the 2 better or worse remain significant",
        "better, worse: the 95% interval of that difference lies above or below zero",
        "coordconv vs placebo",
        "Learning curves of ppo on Pong",
        "Coordinate weights of ppo on Pong",
        "Performance profiles of ppo",
        "Human-normalised scores of ppo",
        "+11.0 [",
        "random agent -20.7",
        "600 of 12,000 steps",
        "is still being trained",
        "0.1 times cnn's mean gain over the random agent",
        "packages.torch",
        "2.13.0",
    ):
        assert text in shown, text
    # Of the suite's games Pong alone has the import, and no arm but those with finished runs.
    assert "Left out here: Breakout (no finished run of" in shown


def test_the_page_needs_nothing_and_runs_nothing(files):
    text = files.html.read_text()
    page = Page(text)
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert ("meta", "content", policy) in page.attributes
    assert not {"script", "iframe", "object", "embed", "img", "base", "form"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    for tag, name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "action", "data"):
            assert value.startswith(("#", "data:,")), (tag, name, value)
    assert "url(http" not in text
    assert "@import" not in text
    duplicates = {one for one in page.ids if page.ids.count(one) > 1}
    assert not duplicates
    targets = {
        value[1:] for _, name, value in page.attributes if name == "href" and value[0] == "#"
    }
    assert targets <= set(page.ids)
    assert page.tags.count("svg") == 2 + 2 + 2 + 2  # differences, curves, weights, two of the suite


def test_names_are_shown_rather_than_obeyed(files):
    text = files.html.read_text()
    assert "<script" not in text
    assert html.escape(EVIL, quote=False) in text
    markdown = files.markdown.read_text()
    assert "<script" not in markdown
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\|\$x\_1\$" in markdown
    for path in files.figures.glob("*.svg"):
        ElementTree.fromstring(path.read_text())  # well-formed
        assert "<script" not in path.read_text()
    curves = (files.figures / "curves-ppo-Pong.svg").read_text()
    # Its name is too long for a legend.
    assert "&lt;script&gt;alert #1 (n = 1)" in curves


def test_markdown_escapes():
    assert escape("a|b *c* [d](e) `f`\n# g") == r"a\|b \*c\* \[d\](e) \`f\` \# g"
    assert escape("<b>&") == "&lt;b&gt;&amp;"


def test_markdown_tables_are_whole(files):
    text = files.markdown.read_text()
    assert "- **coordconv did better than cnn. With ppo, 3 seeds a game and" in text
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.M)
    assert len(blocks) > 8
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block
    for link in re.findall(r"\]\((figures/.*?)\)", text):
        assert (files.markdown.parent / link).is_file()


def test_the_csv_has_a_row_a_run(files):
    rows = list(csv.DictReader(io.StringIO(files.csv.read_text())))
    assert len(rows) == 12 + 2 + 1
    counted = {(row["arm"], row["seed"]): row for row in rows if row["game"] == "Pong"}
    row = counted["coordconv", "1"]
    assert (row["counted"], row["score"], row["budget"]) == ("yes", "12.0", "12000")
    assert float(row["human_normalized"]) == pytest.approx((12 + 20.7) / (14.6 + 20.7))
    assert counted["cnn", "1"]["evaluation"] == "2.0"
    failed = counted["placebo", "1"]
    assert (failed["counted"], failed["score"], failed["error"]) == ("no", "", f"Error: {EVIL}")
    assert counted[EVIL, "0"]["state"] == "imported"


def test_figures_are_files_too(files):
    names = sorted(path.name for path in files.figures.iterdir())
    stems = ["curves-ppo-Breakout", "curves-ppo-Pong",
             "differences-ppo-_script_alert_1_script_x_1_-cnn",
             "differences-ppo-coordconv-cnn", "efficiency-ppo", "profiles-ppo",
             "weights-ppo-Breakout", "weights-ppo-Pong"]  # fmt: skip
    assert names == [f"{stem}.{ending}" for stem in stems for ending in ("png", "svg")]
    assert (files.figures / "curves-ppo-Pong.png").read_bytes()[:4] == b"\x89PNG"


def test_the_same_runs_give_the_same_files(files, sweep, tmp_path):
    comparison = gather([sweep], {EVIL: sweep / "foreign"}, QUICK)
    again = write_report(comparison, tmp_path, source=f"sweep {EVIL}", made="today")
    assert again.html.read_text() == files.html.read_text()
    assert again.markdown.read_text() == files.markdown.read_text()
    assert again.csv.read_text() == files.csv.read_text()


def test_the_command_writes_into_the_sweep_and_prints_the_headline(sweep, capsys, tmp_path):
    output = tmp_path / "new" / "report"
    assert compare_command([str(sweep), "--resamples", "100", "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("coordconv vs cnn, ppo: better on 2, similar on 0, worse on 0,")
    assert "runs that count in no verdict: 2; the report names them" in printed
    assert str(output / "report.html") in printed
    assert (output / "results.csv").is_file()
    copy = tmp_path / "copy"
    shutil.copytree(sweep / "runs", copy)
    options = ["--baseline", "coordconv", "--import", f"zoo={sweep / 'foreign'}"]
    assert compare_command([str(copy), "--resamples", "100", *options]) == 0
    printed = capsys.readouterr().out
    assert "cnn vs coordconv, ppo: better on 0, similar on 0, worse on 2," in printed
    assert "zoo vs coordconv, ppo:" in printed
    assert (copy / "report.html").is_file()


def test_a_report_without_one_finished_run_is_written_all_the_same(tmp_path, write_run):
    write_run(tmp_path, state=RunState.PENDING, returns=[], steps=0)
    files = write_report(gather([tmp_path], {}, QUICK), tmp_path, source="here", made="now")
    text = files.html.read_text()
    assert "0 of 1 runs finished" in text
    assert "No run is finished yet" in text
    assert "Only one arm was found" in text


@pytest.fixture(scope="module")
def diverged(tmp_path_factory, write_run, write_arm):
    """A sweep in which a run diverged for good, two were tried again, and one of them finished."""
    folder = tmp_path_factory.mktemp("diverged")
    runs = folder / "runs"
    nan = "NonFiniteLossError: train/loss is nan after 32 agent steps"
    write_arm(runs, "cnn", [0, 1, 2])
    write_run(runs, extractor="coordconv", score=5.0)
    write_run(runs, extractor="coordconv", seed=1, score=5.0, divergences=2, divergence_retries=2)
    write_run(runs, extractor="coordconv", seed=2, state=RunState.FAILED, error=nan, returns=[],
              steps=32, divergences=1)  # fmt: skip
    write_run(runs, extractor="coordconv", seed=3, state=RunState.FAILED, error=nan, steps=64,
              divergences=3, divergence_retries=2)  # fmt: skip
    write_run(runs, extractor="coordconv", seed=4, state=RunState.FAILED, error="OSError: no")
    comparison = gather([folder], {}, QUICK)
    return comparison, write_report(comparison, folder, source="here", made="now")


SENTENCE = (
    "ppo, coordconv: 3 of 5 runs diverged; 2 ended so and count in no verdict (Pong, seed 2; Pong, "
    "seed 3); 2 were trained again from an earlier checkpoint on other games (in verdicts: 1). "
    "What is left has been selected for not diverging."
)


def test_the_report_says_of_every_arm_how_many_runs_diverged(diverged):
    comparison, files = diverged
    found = {one.arm: (one.runs, one.diverged, one.retried, one.counted, len(one.lost))
             for one in comparison.divergences}  # fmt: skip
    assert found == {"cnn": (3, 0, 0, 0, 0), "coordconv": (5, 3, 2, 1, 2)}
    assert SENTENCE in comparison.warnings
    assert not [text for text in comparison.warnings if text.startswith("ppo, cnn: ")]
    text = files.markdown.read_text()
    assert f"- {SENTENCE}" in text.partition("## Game by game")[0]
    section = text.partition("## Runs that diverged")[2].partition("\n## ")[0]
    assert "| ppo | cnn | 3 | 0 | 0 | 0 | 0 |" in section
    assert "| ppo | coordconv | 5 | 3 | 2 | 1 | 2 |" in section
    shown = " ".join(" ".join(Page(files.html.read_text()).shown).split())
    assert SENTENCE in shown
    assert "Runs that diverged, by arm" in shown


def test_the_runs_themselves_say_so_too(diverged):
    _, files = diverged
    text = files.markdown.read_text().partition("## What was not perfect")[2]
    lines = {line.split(" | ")[1]: line for line in text.splitlines() if line.startswith("| run ")}
    assert (
        "diverged once, not tried again: NonFiniteLossError"
        in (lines["Pong, ppo, coordconv, seed 2"])
    )
    assert "diverged 3 times, given up: NonFiniteLossError" in lines["Pong, ppo, coordconv, seed 3"]
    assert "| OSError: no " in lines["Pong, ppo, coordconv, seed 4"]
    names = ("divergences", "divergence_retries", "counted")
    rows = {(row["arm"], row["seed"]): tuple(row[name] for name in names)
            for row in csv.DictReader(io.StringIO(files.csv.read_text()))}  # fmt: skip
    assert rows["coordconv", "1"] == ("2", "2", "yes")
    assert rows["coordconv", "2"] == ("1", "0", "no")
    assert rows["coordconv", "3"] == ("3", "2", "no")
    assert rows["cnn", "0"] == ("0", "0", "yes")


def test_a_report_without_a_divergence_says_that(files):
    text = files.markdown.read_text()
    assert "No run here is on record as having diverged" in text
    assert "## Runs that diverged" not in text


def test_a_folder_that_cannot_be_written_is_named(tmp_path, write_run):
    write_run(tmp_path / "runs")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write the report into .*file"):
        write_report(gather([tmp_path], {}, QUICK), tmp_path / "file", source="here", made="now")


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_a_missing_package_names_its_pip_line(tmp_path, write_run, monkeypatch, package):
    write_run(tmp_path)
    comparison = gather([tmp_path], {}, QUICK)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingExtraError, match=rf"{package}.*pip install 'rl-coordconv\[report\]'"
    ):
        write_report(comparison, tmp_path, source="here", made="now")


def test_imports_alone_need_a_place_for_the_report(sweep, tmp_path):
    imports = ["--import", f"zoo={sweep / 'foreign'}"]
    with pytest.raises(InputError, match="--output is needed"):
        compare_command(imports)
    assert compare_command([*imports, "--output", str(tmp_path), "--resamples", "100"]) == 0
    assert "zoo" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234"), (12.34, "12.3"), (1.234, "1.23"), (0.0123, "0.012"), (-0.0001, "0.000"),
     (None, "-"), (float("nan"), "-"), (float("inf"), "∞")],
)  # fmt: skip
def test_numbers_in_words(value, text):
    assert formats.number(value) == text


def test_other_words():
    assert formats.interval(Interval(1.0, 0.5, 1.5), signed=True) == "+1.00 [+0.50, +1.50]"
    assert formats.interval(Interval(1.0, float("-inf"), float("inf"))) == "1.00"
    assert formats.reached([1e6, 2e6, float("inf")]) == "2.00 M (2 of 3 did)"
    assert formats.reached([float("inf")]) == "not reached"
    assert formats.p_value(0.0001) == "<0.001"
    assert formats.seeds([0, 1, 2, 5]) == "0-2, 5"
    assert formats.duration(7380) == "2 h 03 min"


WRAPPER = """<!doctype html><body><iframe width={width} height=900 srcdoc="{page}"></iframe>
<script>addEventListener("load", () => {{
  const root = document.querySelector("iframe").contentDocument.documentElement;
  const result = {{scroll: root.scrollWidth, client: root.clientWidth,
    title: root.querySelector("h1").innerText,
    curves: root.querySelector("figure svg").getBoundingClientRect().width}};
  document.body.innerText = JSON.stringify(result);
}});</script>"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_without_complaint_or_sideways_scrolling(files, tmp_path, width):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on the PATH")
    page = html.escape(files.html.read_text())
    # A window narrower than 500 pixels is widened; a frame is not.
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(WRAPPER.format(width=width, page=page))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
               f"--user-data-dir={tmp_path / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND",
               "--virtual-time-budget=5000", "--window-size=1400,1000", "--dump-dom"]  # fmt: skip
    done = subprocess.run(
        [chromium, *options, wrapper.as_uri()], capture_output=True, text=True, timeout=120
    )
    found = json.loads(re.search(r"\{.*\}", done.stdout, flags=re.S)[0])
    assert found["title"] == "Do coordinates help?"
    assert found["scroll"] <= found["client"] <= width
    assert 250 < found["curves"] <= width
    assert ":CONSOLE" not in done.stderr
