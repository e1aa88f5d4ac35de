"""The coordinate map that inference keeps: right whatever happens to the weights."""

import copy
import pickle

import pytest
import torch
from torch import nn

from rl_coordconv.layers import AddCoords, CoordConv2d, conv, zero_coordinate_weights_
from rl_coordconv.layers.functional import extra_channels


class Concatenating(nn.Module):
    """The usual CoordConv, as the reference."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 8, 3)

    def forward(self, image):
        return self.conv(AddCoords()(image))


class TestCache:
    """The cached map of inference is right whatever happens to the weights."""

    def setup_method(self):
        torch.manual_seed(0)
        self.layer, self.reference = CoordConv2d(4, 8, 3), Concatenating()
        self.image = torch.rand(2, 4, 9, 9)

    def check(self):
        self.reference.conv.load_state_dict(self.layer.state_dict())
        with torch.no_grad():
            for image in (self.image, self.image[:, :, :7]):
                assert torch.allclose(self.layer(image), self.reference(image), atol=1e-6)
                assert torch.allclose(self.layer(image), self.reference(image), atol=1e-6)

    def test_it_is_used(self, monkeypatch):
        calls = []

        def counted(*arguments):
            calls.append(arguments)
            return extra_channels(*arguments)

        monkeypatch.setattr(conv, "extra_channels", counted)
        with torch.no_grad():
            first = self.layer(self.image)
            assert len(calls) == 1
            assert torch.equal(self.layer(self.image), first)
        assert len(calls) == 1

    @pytest.mark.parametrize("change", [
        lambda layer: layer.weight.data.mul_(2),  # SB3's target networks: no version counter moves
        lambda layer: layer.weight.detach().add_(1),
        lambda layer: layer.bias.data.add_(1),
        lambda layer: setattr(layer.weight, "data", torch.rand(8, 6, 3, 3)),
        lambda layer: layer.load_state_dict({k: v + 1 for k, v in layer.state_dict().items()}),
        zero_coordinate_weights_,
    ])  # fmt: skip
    def test_a_change_is_seen(self, change):
        self.check()
        with torch.no_grad():
            change(self.layer)
        self.check()

    def test_an_optimiser_step_is_seen(self):
        self.check()
        optimizer = torch.optim.Adam(self.layer.parameters(), lr=0.1)
        self.layer(self.image).sum().backward()
        optimizer.step()
        self.check()

    def test_other_types_and_inference_mode(self):
        self.check()
        with torch.inference_mode():
            expected = self.reference(self.image)
            assert torch.allclose(self.layer(self.image), expected, atol=1e-6)
        self.check()
        self.layer.double()
        with torch.no_grad():
            assert self.layer(self.image.double()).dtype == torch.float64

    def test_copies_and_pickles_carry_none(self):
        with torch.no_grad():
            self.layer(self.image)
        for copied in (copy.deepcopy(self.layer), pickle.loads(pickle.dumps(self.layer))):
            assert copied._cache is None
            assert torch.equal(copied.weight, self.layer.weight)
            assert torch.allclose(copied(self.image), self.layer(self.image))
