"""The results of a training by the common loop."""

from __future__ import annotations

from safetensors.torch import save_file

from rl_coordconv.tasks.fitting import Fit, Problem
from rl_coordconv.tasks.networks import count_parameters
from rl_coordconv.tasks.recipe import Results
from rl_coordconv.tasks.recording import Recorder


def fit_results(problem: Problem, result: Fit, recorder: Recorder) -> Results:
    """Keep the weights and return the results by name."""
    weights = {name: value.cpu() for name, value in problem.network.state_dict().items()}
    save_file(weights, recorder.directory.model_file)
    results: dict[str, float | int | bool | None] = {
        f"train_{problem.metric}": result.train_scores.mean().item(),
        f"test_{problem.metric}": result.test_scores.mean().item(),
        "parameters": count_parameters(problem.network),
        "epochs": result.epochs,
        "train_seconds": round(result.seconds, 2),
    }
    if problem.is_solved is not None:
        seconds = result.seconds_to_solve
        results["seconds_to_solve"] = None if seconds is None else round(seconds, 2)
    return results
