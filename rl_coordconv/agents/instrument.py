"""Instrumentation: wrap the parts of a training for as long as somebody measures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rl_coordconv.agents.on_policy import FastOnPolicyAlgorithm

PARTS = ("emulation", "inference", "update")

Function = Callable[..., Any]
Wrap = Callable[[str, Function], Function]
"""Takes a part's name and a function, returns the function with something around it."""


@dataclass
class Stopwatch:
    """Adds up the wall-clock seconds spent in each part.

    Args:
        device: where the network runs. A GPU works on after a function has returned, so its work
            is waited for: parts that would overlap are then timed one after the other.
    """

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)

    def wrap(self, part: str, function: Function) -> Function:
        """Return the function, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._wait()
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._wait()
                spent = time.perf_counter() - start
                self.seconds[part] = self.seconds.get(part, 0.0) + spent

        return timed

    def _wait(self) -> None:
        if self.device.type == "cuda" and not torch.cuda.is_current_stream_capturing():
            torch.cuda.synchronize(self.device)


@contextmanager
def instrumented(model: OnPolicyAlgorithm, wrap: Wrap) -> Iterator[None]:
    """Wrap the parts of a training, ours or stable-baselines3's own, and unwrap them at the end.

    Args:
        model: an A2C or PPO with an environment.
        wrap: called with one of `PARTS` and a function that does it.
    """
    with ExitStack() as stack:
        for env in vars(model.env).get("groups") or [model.env]:
            for name in ("step_async", "step_wait"):
                stack.enter_context(_replaced(env, name, wrap("emulation", getattr(env, name))))
        stack.enter_context(_replaced(model, "train", wrap("update", model.train)))
        if isinstance(model, FastOnPolicyAlgorithm) and model.slow_reason is None:
            make = model._rollout_policy
            policy = _replaced(model, "_rollout_policy", lambda: wrap("inference", make()))
            stack.enter_context(policy)
        else:
            forward = wrap("inference", model.policy.forward)
            stack.enter_context(_replaced(model.policy, "forward", forward))
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Function) -> Iterator[None]:
    # On the object itself, before the method of its class; whoever did so before is restored.
    before = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)
