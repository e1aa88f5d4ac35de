"""Extractors of a differential programme: ours, and what users write."""

from __future__ import annotations

import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, NatureCNN
from torch import nn
from torch.nn.utils import parametrizations

from rl_coordconv.extractors import extractor_policy_kwargs

FEATURES = 8


class Small(BaseFeaturesExtractor):
    """What users write: one convolution, and a view."""

    def __init__(self, space, features_dim=FEATURES):
        super().__init__(space, features_dim)
        self.conv = nn.Conv2d(space.shape[0], 6, 8, 8)
        with torch.no_grad():
            size = self.conv(torch.zeros(1, *space.shape)).numel()
        self.last = nn.Linear(size, features_dim)

    def forward(self, observations):
        maps = self.between(torch.relu(self.conv(observations)))
        return torch.relu(self.last(maps.view(len(maps), -1)))

    def between(self, maps):
        return maps


class Dropping(Small):
    def between(self, maps):
        return nn.functional.dropout(maps, 0.3, self.training)


class Noisy(Small):
    """Draws random numbers whether it learns or not."""

    def between(self, maps):
        return maps + 0.1 * torch.randn_like(maps)


class Normalised(Small):
    def __init__(self, space, features_dim=FEATURES):
        super().__init__(space, features_dim)
        self.norm = nn.BatchNorm2d(6)

    def between(self, maps):
        return self.norm(maps)


class Counting(Small):
    """Keeps how often, and with how many images, it was called."""

    def __init__(self, space, features_dim=FEATURES):
        super().__init__(space, features_dim)
        self.register_buffer("calls", torch.zeros(2))

    def between(self, maps):
        self.calls += torch.tensor([1.0, len(maps)])
        return maps + self.calls[0] * 0.01


class Frozen(NatureCNN):
    def __init__(self, space, features_dim=FEATURES):
        super().__init__(space, features_dim)
        self.cnn[0].requires_grad_(False)


class Derived(NatureCNN):
    """NatureCNN by another name."""


class StandardisedConv2d(nn.Conv2d):
    def forward(self, input):
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        return self._conv_forward(input, 2 * weight, self.bias)


def own(cls):
    return lambda: {"features_extractor_class": cls, "net_arch": [],
                    "features_extractor_kwargs": {"features_dim": FEATURES}}  # fmt: skip


def named(name, **options):
    return lambda: extractor_policy_kwargs(name, features_dim=FEATURES, **options)


def with_hidden_layers():
    kwargs = extractor_policy_kwargs("coordconv", features_dim=FEATURES)
    return kwargs | {"net_arch": {"pi": [6], "vf": [5]}, "activation_fn": nn.ELU}


NETWORKS = {
    "cnn": named("cnn"),
    "coordconv": named("coordconv"),
    "coordconv-all": named("coordconv-all", with_r=True),
    "placebo": named("placebo"),
    "mean": named("coordconv", pooling="mean"),
    "last": named("coordconv-pool", where="last"),
    "embedding": named("pool-embedding"),
    "impala": named("impala-coordconv"),
    "hidden layers": with_hidden_layers,
    "small": own(Small),
    "dropout": own(Dropping),
    "noise": own(Noisy),
    "batch norm": own(Normalised),
    "counting": own(Counting),
    "frozen": own(Frozen),
    "derived": own(Derived),
}


def standardise(policy):
    """Put a convolution that computes something else in the first one's place."""
    old = first_convolution(policy)
    new = StandardisedConv2d(old.in_channels, old.out_channels, old.kernel_size, old.stride)
    new.to(old.weight.dtype).load_state_dict(old.state_dict())
    replace(policy, old, new)


def parametrise(policy):
    parametrizations.weight_norm(first_convolution(policy))


def listen(policy):
    first_convolution(policy).register_forward_hook(lambda _, __, output: output * 0.9)


def scale_gradients(policy):
    weight = first_convolution(policy).weight
    if weight.requires_grad:  # of a frozen network torch refuses it
        weight.register_hook(lambda gradient: gradient * 0.5)


def patch_forward(policy):
    last = policy.value_net
    original = last.forward
    last.forward = lambda features: original(features) + 0.5


def patch_policy(policy):
    original = policy.forward
    policy.forward = lambda obs, deterministic=False: original(obs, deterministic)


def tie(policy):
    policy.action_net.bias = nn.Parameter(
        policy.value_net.bias.detach().expand(policy.action_net.out_features).clone()
    )


def tanh(policy):
    """Another activation in the middle of NatureCNN."""
    for module in policy.modules():
        for name, child in module.named_children():
            if type(child) is nn.ReLU:
                setattr(module, name, nn.Tanh())
                return


def flatten_otherwise(policy):
    class Scaled(nn.Flatten):
        def forward(self, input):
            return super().forward(input) * 0.7

    for module in policy.modules():
        for name, child in module.named_children():
            if type(child) is nn.Flatten:
                setattr(module, name, Scaled())
                return


def unshare(policy):
    """Another extractor for actions alone, though they are said to be shared."""
    if policy.share_features_extractor:
        policy.features_extractor = policy.make_features_extractor().to(torch.float64)


def first_convolution(policy):
    return next(m for m in policy.modules() if isinstance(m, nn.Conv2d))


def replace(policy, old, new):
    for module in list(policy.modules()):
        for name, child in module.named_children():
            if child is old:
                setattr(module, name, new)


OPERATIONS = [standardise, parametrise, listen, scale_gradients, patch_forward, patch_policy, tanh,
              flatten_otherwise, unshare, tie]  # fmt: skip
"""What somebody does to a policy after it was built."""
