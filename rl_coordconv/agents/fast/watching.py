"""Read-only callbacks: nothing has to be checked again after they have run."""

from __future__ import annotations

from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    ConvertCallback,
    EveryNTimesteps,
    ProgressBarCallback,
    StopTrainingOnMaxEpisodes,
)

_READ_ONLY = (CheckpointCallback, ProgressBarCallback, StopTrainingOnMaxEpisodes)


def only_watches(callback: BaseCallback) -> bool:
    """Tell whether a callback is read-only: changes no policy, environment, buffer or locals.

    Of stable-baselines3's own it is known. Another class says so by an attribute of its own,
    ``only_watches = True``, which its subclasses do not inherit.

    Args:
        callback: any callback.
    """
    cls = type(callback)
    if any(name in vars(callback) for name in ("_on_step", "on_step", "_on_rollout_start")):
        return False
    if cls is CallbackList:
        return all(only_watches(one) for one in callback.callbacks)  # type: ignore[attr-defined]
    if cls is EveryNTimesteps:
        inner = callback.callback  # type: ignore[attr-defined]
        return inner is None or only_watches(inner)
    if cls is ConvertCallback:
        return callback.callback is None  # type: ignore[attr-defined]
    return cls in _READ_ONLY or vars(cls).get("only_watches") is True
