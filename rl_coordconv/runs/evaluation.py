"""How a run was evaluated, kept in ``evaluation.json``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, StrictBool, StrictInt, TypeAdapter

from rl_coordconv._util.files import write_json
from rl_coordconv._util.links import is_there
from rl_coordconv._util.reading import read_json
from rl_coordconv._util.validation import validate
from rl_coordconv.runs.limits import LARGEST_SCORE
from rl_coordconv.runs.status import Count

Score = Annotated[float, Field(strict=True, ge=-LARGEST_SCORE, le=LARGEST_SCORE)]
Scores = Annotated[list[Score], Field(min_length=1)]


@dataclass(frozen=True)
class Evaluation:
    """The outcome of one evaluation. Scores are raw returns of full episodes."""

    game: str
    num_timesteps: Count
    """Agent steps that the agent had been trained for."""
    protocol: str | None
    """Of an Atari game; None elsewhere."""
    deterministic: StrictBool
    """Whether the most probable action was always taken rather than one sampled."""
    seed: StrictInt
    """The first environment seed."""
    returns: Scores
    """Raw return of each episode, in the order in which they ended."""
    lengths: list[Count]
    """Length of each episode in emulator frames."""
    mean: Score
    median: Score
    std: Score
    """Standard deviation over the episodes (population form, as SB3's evaluate_policy prints)."""
    human_normalized_mean: Score | None
    """0 for a random agent, 1 for a human tester; None where no reference score is known."""
    ablated: StrictBool = False
    """Whether the coordinate channels were zeroed while playing."""
    elsewhere: dict[str, Scores] = field(default_factory=dict)
    """Raw returns in regions that training left out, by the region; see `AimEnv`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for ``evaluation.json``."""
        return asdict(self)

    def scalars(self) -> dict[str, float]:
        """Return what curves are drawn of, under the tags of SB3's ``EvalCallback`` and ours."""
        numbers: dict[str, float | None] = {
            "eval/mean_reward": self.mean,
            "eval/mean_ep_length": fmean(self.lengths) if self.lengths else None,
            "eval/median_reward": self.median,
            "eval/std_reward": self.std,
            "eval/human_normalized": self.human_normalized_mean,
        }
        for region, returns in self.elsewhere.items():
            numbers[f"eval/mean_reward_{region}"] = fmean(returns)
        return {tag: value for tag, value in numbers.items() if value is not None}

    def save(self, path: Path) -> None:
        """Write ``evaluation.json``."""
        write_json(path, self.as_dict())

    @classmethod
    def load(cls, path: Path) -> Evaluation | None:
        """Read ``evaluation.json``; None where the run was not evaluated.

        Raises:
            InputError: the file is damaged.
        """
        if not is_there(path):
            return None
        keys = [one.name for one in fields(cls)]
        return validate(_ADAPTER, read_json(path), where=str(path), keys=keys)


_ADAPTER: TypeAdapter[Evaluation] = TypeAdapter(Evaluation)
