"""A sweep's configuration: games x agents x hyperparameters x extractors x seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import write_text
from rl_coordconv._util.links import is_there
from rl_coordconv._util.validation import read_yaml, validate
from rl_coordconv.envs import Presentation, find_env, load_suite
from rl_coordconv.extractors.arms import arm_name, parse_arm
from rl_coordconv.runs import RunConfig
from rl_coordconv.runs.config import MAX_SEED
from rl_coordconv.runs.limits import MAX_RUNS
from rl_coordconv.sweeps.grid import Grid, combinations, count
from rl_coordconv.training.resolve import resolve_run

Names = tuple[str, ...]


class SweepConfig(BaseModel):
    """What a sweep trains: every game with every agent, extractor and seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1, 2] = 2
    """As a run's: 1 where ``coordconv`` meant ``coordconv-paper``."""
    suite: str | None = None
    """A suite's name or a path to one's own; instead of ``games``."""
    games: Names = ()
    env: str | None = None
    """An id in Gymnasium's registry, ``MyEnv-v0`` or ``my_package:MyEnv-v0``; instead of games."""
    presentation: Presentation | None = None
    """How that environment is presented; None takes it as it is."""
    agents: Annotated[Names, Field(min_length=1)] = ("ppo",)
    extractors: Annotated[Names, Field(min_length=1)] = ("cnn", "coordconv", "placebo")
    extractor_kwargs: dict[str, dict[str, bool | int | float | str]] = {}
    """Options of single extractors, by their names; or written with them,
    ``coordconv(with_r=true)``."""
    grid: Grid = {}
    """Values of hyperparameters over each agent's preset; every combination is trained."""
    seeds: Annotated[int, Field(ge=1, le=MAX_SEED + 1, strict=True)] = 5
    """How many: 0, 1, 2, ..."""
    total_timesteps: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Agent steps of each run; None takes the agents' own."""
    n_envs: Annotated[int, Field(ge=1, strict=True)] | None = None
    protocol: str | None = None
    """None takes the suite's, or deepmind."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    eval_episodes: Annotated[int, Field(ge=0, strict=True)] = 10
    initialization: Literal["paired", "sb3"] = "paired"
    """paired: all extractors begin with the same values in every weight that they share."""

    @classmethod
    def build(cls, values: dict[str, Any], where: str) -> SweepConfig:
        """Check values that a file or flags gave.

        Raises:
            InputError: a key or value that is not allowed.
        """
        return validate(_ADAPTER, values, where=where, keys=cls.model_fields)

    def save(self, path: Path) -> None:
        """Write the description as YAML."""
        write_text(path, yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False))

    @classmethod
    def load(cls, path: Path, *, follow: bool = True) -> SweepConfig:
        """Read a description.

        Args:
            path: its file.
            follow: whether that may be a link, as a file that a person names may.

        Raises:
            InputError: the file is missing, or a key or value in it is not allowed.
        """
        if not is_there(path):
            raise InputError(f"the sweep's file {path} does not exist")
        return cls.build(read_yaml(path, follow=follow), str(path))

    @classmethod
    def load_kept(cls, path: Path) -> SweepConfig:
        """Read the description that a sweep's directory keeps; before format 2 it told no format.

        Raises:
            InputError: as `load`.
        """
        kept = cls.load(path, follow=False)
        is_told = "format_version" in kept.model_fields_set
        return kept if is_told else kept.model_copy(update={"format_version": 1})

    def in_format_of(self, other: SweepConfig) -> SweepConfig:
        """Return the same fields as another description's version would write them."""
        return self.model_copy(update={"format_version": other.format_version})

    def runs(self) -> list[RunConfig]:
        """Return every run's configuration: seed by seed, so that early results compare all arms.

        Raises:
            InputError: no games, or a value that is not allowed or given twice.
            UnknownNameError: an unknown game, suite, agent, extractor or protocol.
        """
        games, protocol = self._games()
        self._check_number(len(games))
        # A preset's file lends its name, without folder and ending, to runs and reports.
        _refuse_repetition("agents", [Path(agent).stem for agent in self.agents])
        _refuse_repetition("extractors", [arm_name(*self._arm(one)) for one in self.extractors])
        unused = set(self.extractor_kwargs) - set(self.extractors)
        if unused:
            raise InputError(
                f"extractor_kwargs names {sorted(unused)}, which is not among the extractors "
                f"{list(self.extractors)}"
            )
        settings = combinations(self.grid)
        runs = [
            self._run(game, agent, one, extractor, seed, protocol)
            for seed in range(self.seeds)
            for game in games
            for agent in self.agents
            for one in settings
            for extractor in self.extractors
        ]
        if self.grid:
            _refuse_same(runs[: len(runs) // (self.seeds * len(games))], self.grid)
        return runs

    def _check_number(self, games: int) -> None:
        counts = {"games": games, "agents": len(self.agents), "extractors": len(self.extractors),
                  "seeds": self.seeds}  # fmt: skip
        if self.grid:
            counts["settings"] = count(self.grid)
        if prod(counts.values()) > MAX_RUNS:
            product = " x ".join(f"{count:,} {name}" for name, count in counts.items())
            raise InputError(
                f"{product} are {prod(counts.values()):,} runs (allowed: {MAX_RUNS:,})"
            )

    def _games(self) -> tuple[list[str], str]:
        self._check_choice()
        if self.env is not None:
            return [self.env], self.protocol or "deepmind"
        if self.suite is not None:
            suite = load_suite(self.suite)
            names, protocol = list(suite.games), suite.protocol
        else:
            names, protocol = [find_env(game).name for game in self.games], "deepmind"
            _refuse_repetition("games", names)
        return names, protocol if self.protocol is None else self.protocol

    def _check_choice(self) -> None:
        given = [
            name for name in ("suite", "games", "env") if getattr(self, name) not in (None, ())
        ]
        if len(given) != 1:
            said = " and ".join(given) or "none of them"
            raise InputError(f"give either a suite, games or an env, not {said}")
        if self.presentation is not None and self.env is None:
            raise InputError("presentation is about an env, which is not given")

    def _arm(self, text: str) -> tuple[str, dict[str, Any]]:
        """Return an entry's extractor and options.

        Raises:
            InputError: the entry has another form, or an option is given twice.
        """
        name, options = parse_arm(text)
        others = self.extractor_kwargs.get(text, {})
        twice = sorted(set(options) & set(others))
        if twice:
            raise InputError(f"option {twice[0]!r} of {text!r} is given in extractor_kwargs, too")
        return name, options | others

    def _run(
        self,
        game: str,
        agent: str,
        settings: Mapping[str, Any],
        arm: str,
        seed: int,
        protocol: str,
    ) -> RunConfig:
        extractor, options = self._arm(arm)
        is_foreign = self.env is not None
        return resolve_run(
            game,
            env=(self.presentation or Presentation()) if is_foreign else None,
            extractor=extractor,
            extractor_kwargs=options,
            agent=agent,
            total_timesteps=self.total_timesteps,
            n_envs=self.n_envs,
            seed=seed,
            device=self.device,
            precision=self.precision,
            protocol=protocol,
            eval_episodes=self.eval_episodes,
            initialization=self.initialization,
            settings=settings,
        ).model_copy(update={"format_version": self.format_version})


_ADAPTER: TypeAdapter[SweepConfig] = TypeAdapter(SweepConfig)


def _refuse_repetition(field: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{name!r} is given twice in {field}")
        seen.add(name)


def _refuse_same(runs: Iterable[RunConfig], grid: Grid) -> None:
    """Refuse combinations that come to the same preset, as 1 and 1.0 do in the end."""
    seen: set[str] = set()
    for run in runs:
        if run.name in seen:
            raise InputError(
                f"grid: two combinations of {', '.join(grid)} are the same settings of agent "
                f"{run.agent}"
            )
        seen.add(run.name)
