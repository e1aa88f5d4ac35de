"""Programmes: what is built, what its callbacks do and what is called; and what can be seen of it.

The same programme is run with stable-baselines3's agent and with ours, in float64, so that rounding
can hide nothing: only what lies in float32 in both (rewards, values, log-probabilities and
advantages in the buffer) is rounded at all.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import acts
import networks
import numpy as np
import stable_baselines3
import torch
import worlds
from hypothesis import strategies as st
from stable_baselines3.common.callbacks import BaseCallback

from rl_coordconv.agents import A2C, PPO

STOCK = {"a2c": stable_baselines3.A2C, "ppo": stable_baselines3.PPO}
OURS = {"a2c": A2C, "ppo": PPO}
HOOKS = ("training start", "rollout start", "step", "rollout end", "training end")
BETWEEN = ("play", "predict", "save and load", "set_env", "parameters", "train again")
LOCALS = ("n_steps", "obs_tensor", "actions", "clipped_actions", "values", "log_probs", "new_obs",
          "rewards", "dones", "idx", "done", "terminal_obs", "terminal_value")  # fmt: skip


@dataclass(frozen=True)
class Programme:
    """Everything that is drawn."""

    algorithm: str
    world: str
    network: str
    shared: bool
    options: dict
    operations: tuple = ()
    """On the policy, before the first training."""
    reactions: tuple = ()
    """(hook, number of its call, act)."""
    trainings: tuple = (12,)
    between: tuple = ()
    """What is called after each training but the last."""
    seed: int = 0


def _options(algorithm):
    shared = {
        "n_steps": st.integers(2, 4),
        "gamma": st.sampled_from([0.9, 0.99]),
        "gae_lambda": st.sampled_from([1.0, 0.8]),
        "ent_coef": st.sampled_from([0.0, 0.1]),
        "vf_coef": st.sampled_from([0.5, 0.25]),
        "normalize_advantage": st.booleans(),
        "max_grad_norm": st.sampled_from([0.5, 1e-3]),
    }
    if algorithm == "a2c":
        return st.fixed_dictionaries(shared | {"use_rms_prop": st.booleans()})
    return st.fixed_dictionaries(
        shared
        | {
            "batch_size": st.integers(2, 5),
            "n_epochs": st.integers(1, 2),
            "clip_range_vf": st.sampled_from([None, 0.1]),
            "target_kl": st.sampled_from([None, 1e-6]),
        }
    )


@st.composite
def programmes(draw):
    """Draw a programme; few acts in most, many in some."""
    algorithm = draw(st.sampled_from(sorted(STOCK)))
    acting = st.tuples(st.sampled_from(HOOKS), st.integers(1, 4), st.sampled_from(acts.ACTS))
    trainings = draw(st.lists(st.integers(1, 16), min_size=1, max_size=3))
    return Programme(
        algorithm=algorithm,
        world=draw(st.sampled_from(list(worlds.WORLDS))),
        network=draw(st.sampled_from(list(networks.NETWORKS))),
        shared=draw(st.booleans()),
        options=draw(_options(algorithm)),
        operations=tuple(draw(st.lists(st.sampled_from(networks.OPERATIONS), max_size=1))),
        reactions=tuple(draw(st.lists(acting, max_size=4))),
        trainings=tuple(trainings),
        between=tuple(draw(st.sampled_from(BETWEEN)) for _ in trainings[1:]),
        seed=draw(st.integers(0, 3)),
    )


@dataclass
class Trace:
    """What was seen, in order: a place, a name, a value."""

    facts: list = field(default_factory=list)

    def add(self, place, name, value):
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        self.facts.append((place, name, np.array(value)))


class Reacting(BaseCallback):
    """Looks at everything, then does what the programme says."""

    def __init__(self, programme, trace):
        super().__init__()
        self.programme, self.trace = programme, trace
        self.counts = dict.fromkeys(HOOKS, 0)
        self.kept = []

    def react(self, hook):
        self.counts[hook] += 1
        place = f"{hook} {self.counts[hook]}"
        self.look(place)
        continue_training = True
        for where, number, act in self.programme.reactions:
            if (where, number) == (hook, self.counts[hook]):
                # At the beginning the locals are those of `learn`.
                seen = self.locals if "rewards" in self.locals else {}
                continue_training = (
                    act(self.model, seen, self.kept) is not False and continue_training
                )
        return continue_training

    def look(self, place):
        model, trace = self.model, self.trace
        if "rewards" in self.locals:
            for name in LOCALS:
                if name in self.locals:
                    trace.add(place, name, self.locals[name])
        trace.add(place, "num_timesteps", model.num_timesteps)
        trace.add(place, "_last_obs", model._last_obs)
        trace.add(place, "_last_episode_starts", model._last_episode_starts)
        trace.add(place, "buffer.pos", model.rollout_buffer.pos)
        if self.programme.seed % 2:  # looking itself may change what happens
            for name in ("observations", "actions", "rewards", "episode_starts", "values",
                         "log_probs", "advantages", "returns"):  # fmt: skip
                trace.add(place, f"buffer.{name}", getattr(model.rollout_buffer, name))

    def _on_training_start(self):
        self.react("training start")

    def _on_rollout_start(self):
        self.react("rollout start")

    def _on_step(self):
        return self.react("step")

    def _on_rollout_end(self):
        self.react("rollout end")

    def _on_training_end(self):
        self.react("training end")


def run(programme, classes):
    """Run a programme with one side's classes and return what could be seen."""
    trace = Trace()
    cls = classes[programme.algorithm]
    torch.manual_seed(programme.seed)
    np.random.seed(programme.seed)
    kwargs = networks.NETWORKS[programme.network]() | {"share_features_extractor": programme.shared}
    options = programme.options | {"seed": programme.seed, "learning_rate": 1e-2}
    model = cls("CnnPolicy", worlds.WORLDS[programme.world](), policy_kwargs=kwargs, device="cpu",
                **options)  # fmt: skip
    make_exact(model)
    for operation in programme.operations:
        operation(model.policy)
    envs = [model.env]
    try:
        for number, steps in enumerate(programme.trainings):
            callback = Reacting(programme, trace)
            model.learn(steps, callback=callback, reset_num_timesteps=number == 0)
            _look_after(trace, f"training {number}", model, callback.kept)
            if number < len(programme.between):
                model = _call(programme.between[number], model, cls, trace, programme, envs)
    except (
        AssertionError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        trace.add("end", "error", type(error).__name__)
    finally:
        for env in envs:
            env.close()
    return trace


def _look_after(trace, place, model, kept):
    for number, value in enumerate(kept):
        trace.add(place, f"kept {number}", value)
    for name, value in model.policy.state_dict().items():
        trace.add(place, name, value)
    for name, parameter in model.policy.named_parameters():
        if parameter.grad is not None:
            trace.add(place, f"gradient of {name}", parameter.grad)
    for number, state in enumerate(model.policy.optimizer.state.values()):
        for name, value in state.items():
            trace.add(place, f"optimizer {number} {name}", value if value is not None else 0)
    for name, value in sorted(model.logger.name_to_value.items()):
        if name.startswith("train/"):
            trace.add(place, name, value)
    trace.add(place, "episodes", [episode["r"] for episode in model.ep_info_buffer])
    trace.add(place, "updates", model._n_updates)
    trace.add(place, "torch's generator", torch.get_rng_state())
    trace.add(place, "NumPy's generator", np.random.get_state()[1])
    trace.add(place, "place in it", np.random.get_state()[2])


def _call(name, model, cls, trace, programme, envs):
    if name == "play":
        acts.play(model, {}, kept := [])
        trace.add(name, "observations", kept[0])
    elif name == "predict":
        trace.add(name, "actions", model.predict(model._last_obs)[0])
    elif name == "parameters":
        model.set_parameters(model.get_parameters())
    elif name == "train again":
        model.train()
    elif name == "set_env":
        envs.append(worlds.WORLDS[programme.world]())
        envs[-1].seed(programme.seed + 100)
        model.set_env(envs[-1])
    elif name == "save and load":
        file = io.BytesIO()
        model.save(file)
        file.seek(0)
        model = cls.load(file, env=model.env, device="cpu")
        make_exact(model)
    return model


def make_exact(model):
    """Go on in float64: weights, and what the optimiser knows of them."""
    model.policy.double()
    for state in model.policy.optimizer.state.values():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.dim():
                state[name] = value.double()
