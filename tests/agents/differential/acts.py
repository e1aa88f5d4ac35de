"""What a callback, or a script between trainings, does: each act takes a model and its locals."""

from __future__ import annotations

import copy

import networks
import numpy as np
import torch
from stable_baselines3.common.evaluation import evaluate_policy


def nothing(model, seen, kept):
    pass


def keep_arrays(model, seen, kept):
    buffer = model.rollout_buffer
    kept += [buffer.rewards, buffer.observations, buffer.actions, buffer.values, buffer.log_probs]


def read_arrays(model, seen, kept):
    kept.append(model.rollout_buffer.observations.copy())
    kept.append(model.rollout_buffer.advantages.copy())


def write_rewards(model, seen, kept):
    model.rollout_buffer.rewards *= 2


def add_intrinsic_rewards(model, seen, kept):
    """As is done with exploration bonuses at the end of a rollout."""
    model.rollout_buffer.rewards += 0.5
    if "dones" in seen:
        model.rollout_buffer.compute_returns_and_advantage(seen["values"], seen["dones"])


def write_advantages(model, seen, kept):
    model.rollout_buffer.advantages[...] = 1.0


def darken_buffer(model, seen, kept):
    model.rollout_buffer.observations[0] = 3


def scale_weights(model, seen, kept):
    with torch.no_grad():
        for parameter in model.policy.parameters():
            parameter.mul_(1.02)


def scale_data(model, seen, kept):
    """Past the version counters, as SB3's polyak_update does."""
    for parameter in model.policy.parameters():
        parameter.data.mul_(0.97)


def shift_one_convolution(model, seen, kept):
    networks.first_convolution(model.policy).weight.data[1, 0, 2, 3] += 0.5


def load_weights(model, seen, kept):
    state = {name: value * 1.01 if value.is_floating_point() else value
             for name, value in model.policy.state_dict().items()}  # fmt: skip
    model.policy.load_state_dict(state)


def set_parameters(model, seen, kept):
    model.set_parameters(copy.deepcopy(model.get_parameters()))


def replace_weights(model, seen, kept):
    for module in model.policy.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None and not hasattr(module, "parametrizations"):
                new = torch.nn.Parameter(parameter.detach() * 1.01, parameter.requires_grad)
                setattr(module, name, new)


def freeze(model, seen, kept):
    weight = next(model.policy.parameters())
    weight.requires_grad_(not weight.requires_grad)


def new_optimizer(model, seen, kept):
    model.policy.optimizer = torch.optim.SGD(model.policy.parameters(), lr=0.01, momentum=0.9)


def partial_optimizer(model, seen, kept):
    """The first layer's gradients are then cleared by nobody."""
    model.policy.optimizer = torch.optim.Adam(list(model.policy.parameters())[2:], lr=1e-3)


def change_hyperparameters(model, seen, kept):
    model.gamma, model.ent_coef, model.max_grad_norm = 0.5, 0.3, 0.05
    model.rollout_buffer.gae_lambda = 0.7


def training_mode(model, seen, kept):
    model.policy.set_training_mode(True)


def predict(model, seen, kept):
    kept.append(model.predict(model.env.observation_space.sample()[None] * 0)[0])


def reset_env(model, seen, kept):
    model.env.reset()


def begin_anew(model, seen, kept):
    model._last_obs = model.env.reset()
    model._last_episode_starts = np.ones(model.n_envs, bool)


def play(model, seen, kept):
    observations = model.env.reset() if seen is None else model._last_obs
    for _ in range(3):
        observations = model.env.step(model.predict(observations)[0])[0]
    kept.append(observations.copy())


def evaluate(model, seen, kept):
    model.env.seed(5)
    kept.append(np.array(evaluate_policy(model, model.env, n_eval_episodes=2, warn=False)))


def pay_double(model, seen, kept):
    if seen:
        seen["rewards"][...] = seen["rewards"] * 2


def other_actions(model, seen, kept):
    if seen:
        seen["actions"][...] = 0


def other_values(model, seen, kept):
    if seen:
        seen["values"].add_(0.25)
        seen["log_probs"].sub_(0.1)


def darken(model, seen, kept):
    if seen:
        seen["new_obs"][...] = seen["new_obs"] // 2


def darken_last(model, seen, kept):
    model._last_obs[...] = model._last_obs // 3


def forget_time_limits(model, seen, kept):
    for info in (seen or {}).get("infos", ()):
        info["TimeLimit.truncated"] = False


def everything_a_time_limit(model, seen, kept):
    for info in (seen or {}).get("infos", ()):
        info["TimeLimit.truncated"] = True


def patch_add(model, seen, kept):
    buffer = model.rollout_buffer
    original = buffer.add

    def add(obs, action, reward, *rest):
        original(obs, action, reward + 1, *rest)

    buffer.add = add


def stop(model, seen, kept):
    return False


def on_policy(operation):
    """An operation on the policy as an act."""

    def act(model, seen, kept):
        operation(model.policy)

    act.__name__ = operation.__name__
    return act


ACTS = [
    *(nothing, keep_arrays, read_arrays, write_rewards, add_intrinsic_rewards, write_advantages),
    *(darken_buffer, scale_weights, scale_data, shift_one_convolution, load_weights),
    *(set_parameters, replace_weights, freeze, new_optimizer, partial_optimizer),
    *(change_hyperparameters, training_mode, predict, reset_env, begin_anew, play, evaluate),
    *(pay_double, other_actions, other_values, darken, darken_last, forget_time_limits),
    *(everything_a_time_limit, patch_add, stop),
    *(on_policy(operation) for operation in networks.OPERATIONS),
]
