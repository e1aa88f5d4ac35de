"""Print the table and draw the figures of this page.

    python figure.py SWEEP_DIR [SWEEP_DIR ...]

Writes aim.png (the environment), held-out.png and where-it-hits.png beside itself. The intervals
are 95 % Student intervals over the seeds.
"""

import sys
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from rl_coordconv import load_policy
from rl_coordconv._util.files import read_json
from rl_coordconv.envs import AimEnv
from rl_coordconv.envs.aim import column_of, paint, region_places
from rl_coordconv.runs import RunDirectory, read_metrics
from rl_coordconv.statistics import mean_interval

HERE = Path(__file__).parent
ARMS = ("cnn", "coordconv", "placebo")
COLOURS = {"cnn": "#4c5b6b", "coordconv": "#d1551f", "placebo": "#8f2d56"}
POOLINGS = ("flatten", "mean", "max")
SHOTS = 16


def read(sweeps):
    """Return, by pooling and extractor, the share of hits in training's places and held out."""
    shares = defaultdict(list)
    for path in sorted(run for sweep in sweeps for run in Path(sweep).glob("runs/*")):
        run = RunDirectory(path)
        config, evaluation = run.config(), read_json(run.evaluation_file)
        cell = (config.extractor_kwargs.get("pooling", "flatten"), config.extractor)
        seen = np.mean(evaluation["returns"]) / SHOTS
        unseen = np.mean(evaluation["elsewhere"]["held-out"]) / SHOTS
        halfway = next(
            (row["step"] for row in read_metrics(run.metrics_file)
             if (row.get("rollout/ep_rew_mean") or 0) >= SHOTS / 2), None,
        )  # fmt: skip
        shares[cell].append((seen, unseen, halfway, run.status().training_seconds))
    return shares


def interval(values):
    found = mean_interval(values)
    return f"{np.mean(values):.0%} [{max(found.low, 0):.0%}, {min(found.high, 1):.0%}]"


def print_table(shares):
    print("| pooling | extractor | seeds | hits in training's places | hits in the held-out "
          "quadrant | half of the hits after (shots, median) | seconds |")  # fmt: skip
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for pooling in POOLINGS:
        for arm in ARMS:
            seen, unseen, halfway, seconds = zip(*shares[pooling, arm], strict=True)
            known = [step for step in halfway if step is not None]
            half = f"{np.median(known):,.0f}" if len(known) == len(halfway) else "never"
            print(f"| {pooling} | {arm} | {len(seen)} | {interval(seen)} | {interval(unseen)} | "
                  f"{half} | {np.median(seconds):.0f} |")  # fmt: skip


def best_constant(index):
    """Return the share of hits of who always shoots at the region's most frequent column."""
    places = region_places(("train", "held-out")[index])
    return np.bincount([column_of(x) for x in places[:, 0]]).max() / len(places)


def draw_environment():
    env = AimEnv("all", render_mode="rgb_array")
    _, info = env.reset(seed=4)
    figure = Figure(figsize=(8.4, 3), layout="constrained")
    for axes, aim in zip(figure.subplots(1, 3), (None, 0, 1), strict=True):
        if aim is not None:
            info = env.step((info["column"] + aim) % 8)[-1]
        axes.imshow(env.render())
        axes.axis("off")
    figure.savefig(HERE / "aim.png", dpi=80)


def draw_shares(shares):
    figure = Figure(figsize=(8.4, 3), layout="constrained")
    for index, (axes, title) in enumerate(
        zip(figure.subplots(1, 2, sharey=True), ("training's places", "held-out quadrant"),
            strict=True)
    ):  # fmt: skip
        for offset, arm in enumerate(ARMS):
            for place, pooling in enumerate(POOLINGS):
                values = [one[index] for one in shares[pooling, arm]]
                x = place + 0.27 * (offset - 1)
                axes.bar(x, np.mean(values), 0.25, color=COLOURS[arm],
                         label=arm if place == 0 else None)  # fmt: skip
                axes.scatter([x] * len(values), values, s=9, c="black", zorder=3, linewidths=0)
        axes.axhline(best_constant(index), color="black", lw=0.7, ls=":",
                     label="best of all fixed columns")  # fmt: skip
        axes.set_xticks(range(len(POOLINGS)), POOLINGS)
        axes.set(title=title, ylim=(0, 1.03), ylabel="hits" if index == 0 else None)
    figure.legend(
        *axes.get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=4
    )
    figure.savefig(HERE / "held-out.png", dpi=110)


@torch.no_grad()
def probability_of_hits(run):
    """Return, for every place, the probability that the agent shoots at its column, (56, 56)."""
    policy, places = load_policy(run), region_places("all")
    images = torch.as_tensor(np.stack([paint(place) for place in places]))
    logits = torch.cat([policy.get_distribution(some).distribution.logits
                        for some in images.split(98)])  # fmt: skip
    right = torch.tensor([column_of(x) for x in places[:, 0]])
    hits = logits.softmax(dim=1)[torch.arange(len(right)), right]
    return hits.view(56, 56).T.numpy()  # places run through x first; a picture's rows are y


def draw_maps(sweeps):
    runs = defaultdict(list)
    for path in (run for sweep in sweeps for run in Path(sweep).glob("runs/*")):
        config = RunDirectory(path).config()
        runs[config.extractor_kwargs["pooling"], config.extractor].append(path)
    figure = Figure(figsize=(6.2, 6.4), layout="constrained")
    grid = figure.subplots(len(ARMS), len(POOLINGS))
    for row, arm in enumerate(ARMS):
        for axes, pooling in zip(grid[row], POOLINGS, strict=True):
            hits = np.mean([probability_of_hits(path) for path in runs[pooling, arm]], axis=0)
            shown = axes.imshow(hits, vmin=0, vmax=1, cmap="magma")
            axes.plot([28.5, 28.5, 55.5], [55.5, 28.5, 28.5], color="white", lw=0.8, ls="--")
            axes.set(xticks=[], yticks=[], title=pooling if row == 0 else None)
        grid[row][0].set_ylabel(arm)
    figure.colorbar(shown, ax=grid, shrink=0.5, label="probability of a hit, mean of the seeds")
    figure.savefig(HERE / "where-it-hits.png", dpi=110)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    found = read(sys.argv[1:])
    print_table(found)
    draw_environment()
    draw_shares(found)
    draw_maps(sys.argv[1:])
