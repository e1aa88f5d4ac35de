"""Suites: named sets of games with the scores that they are measured against."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from rl_coordconv._util.errors import InputError, unknown_name
from rl_coordconv._util.presets import preset_names, preset_path
from rl_coordconv._util.validation import read_yaml, validate
from rl_coordconv.envs.games import resolve_game
from rl_coordconv.envs.protocols import load_protocol

Score = Annotated[float, Field(allow_inf_nan=False)]


class ReferenceScores(BaseModel):
    """Raw scores that a game's results are put in proportion to."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    random: Score
    """Mean score of an agent that chooses its actions at random."""
    human: Score
    """Mean score of a human tester."""

    @model_validator(mode="after")
    def _check_difference(self) -> ReferenceScores:
        if self.random == self.human:
            raise ValueError(f"random and human are both {self.random}: no scale between them")
        return self

    def human_normalized(self, score: float) -> float:
        """Return 0 for a random agent's score and 1 for the human's, in a straight line."""
        return (score - self.random) / (self.human - self.random)


class MedianRegression(BaseModel):
    """How scores on these games estimate the median over all 57.

    log10(1 + median) is the sum of coefficient x log10(1 + score) over the games, all scores
    human-normalised and in percent, negative ones taken as 0.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    source: str
    coefficients: Annotated[dict[str, Score], Field(min_length=1)]
    """By the games' names."""


class Suite(BaseModel):
    """A named set of games."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    description: str
    """What the set is for, and where it comes from."""
    scores_source: str
    """Where the reference scores come from."""
    protocol: str = "deepmind"
    """The protocol that the reference scores were made under."""
    games: Annotated[dict[str, ReferenceScores], Field(min_length=1)]
    """Reference scores by the games' names."""
    median_of_57: MedianRegression | None = None
    """Where the suite was chosen to estimate it."""

    @model_validator(mode="after")
    def _check_names(self) -> Suite:
        load_protocol(self.protocol)
        for name in self.games:
            game = resolve_game(name)
            if game.name != name:
                raise ValueError(f"game {name!r} is written {game.name!r} here")
        regression = self.median_of_57
        if regression is not None and set(regression.coefficients) != set(self.games):
            raise ValueError("median_of_57 does not have a coefficient for each of the games")
        return self


_ADAPTER: TypeAdapter[Suite] = TypeAdapter(Suite)


def load_suite(name_or_path: str) -> Suite:
    """Read a suite.

    Args:
        name_or_path: ``"atari-5"``, ``"atari-10"``, ``"atari-26"``, ``"atari-57"``,
            ``"coordconv-9"``, or a path to one's own YAML file.

    Raises:
        UnknownNameError: no suite has this name.
        InputError: the file is missing, or a key or value in it is not allowed.
    """
    path: Path = preset_path("envs", "suite", name_or_path)
    return validate(_ADAPTER, read_yaml(path), where=str(path), keys=Suite.model_fields)


@cache
def reference_scores() -> dict[str, ReferenceScores]:
    """Return the reference scores of all games that have any, by the games' names."""
    return load_suite("atari-57").games


@cache
def median_regressions() -> dict[str, MedianRegression]:
    """Return the regressions that estimate the median over 57 games, by their suites' names."""
    suites = {name: load_suite(name) for name in preset_names("envs")}
    return {name: suite.median_of_57 for name, suite in suites.items() if suite.median_of_57}


def human_normalized_score(game: str, score: float) -> float:
    """Put a raw score in proportion to a random agent's and a human's.

    Args:
        game: a game in any of its spellings.
        score: a raw score.

    Returns:
        0 for the random agent, 1 for the human tester.

    Raises:
        UnknownNameError: no such game.
        InputError: no reference scores are known for the game.
    """
    name = resolve_game(game).name
    scores = reference_scores()
    if name not in scores:
        allowed = unknown_name("game with reference scores", name, scores)
        raise InputError(f"no reference scores are known for {name!r}: {allowed}")
    return scores[name].human_normalized(score)
