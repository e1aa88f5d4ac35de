"""Convolutions whose kernels sum to zero: blind to an even background, and so not driven by it."""

from typing import Any

from torch import Tensor, nn

from rl_coordconv.layers.names import public


def without_mean(weight: Tensor) -> Tensor:
    """Subtract from every kernel its mean: (out, channels, height, width), differentiable."""
    return weight - weight.mean([1, 2, 3], True)


@public
class ZeroMeanConv2d(nn.Conv2d):
    """A convolution with ``weight`` minus the mean of each kernel, over its channels and places.

    Where an image is of one brightness, all inputs of a kernel are equal, and every step of an
    optimiser with a step per weight, like Adam or RMSprop, moves the kernel's answer to that
    brightness as many times as far as the kernel has weights: 256 in the first layer of NatureCNN.
    Such steps send a ReLU's input below zero everywhere, for good. A kernel without a mean answers
    to an even background with its bias alone, whatever its brightness; edges, objects and changes
    between stacked frames it sees as before.

    ``weight`` and ``bias`` have the shapes of `nn.Conv2d`, initialisers reach them, and a
    state_dict fits either. A plain convolution with ``weight`` less its mean computes the same.

    Args:
        *args: as `nn.Conv2d`.
        **kwargs: as `nn.Conv2d`.

    Source:
        LeCun et al. 1998, "Efficient BackProp", section 4.3, for inputs without a mean; Huang et
        al. 2017, "Centered Weight Normalization", for kernels without one.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve images, (N, channels, H, W) -> (N, out, H', W')."""
        return self._conv_forward(input, without_mean(self.weight), self.bias)

    def decompose(self) -> tuple[Tensor, Tensor | None]:
        """Return the weight and the bias of the plain convolution that computes the same."""
        return without_mean(self.weight), self.bias


def zero_mean_of(layer: nn.Conv2d) -> ZeroMeanConv2d:
    """Return a layer with the same parameters, the very same, and kernels without a mean."""
    arguments: dict[str, Any] = {
        name: getattr(layer, name)
        for name in ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    }
    new = ZeroMeanConv2d(
        layer.in_channels, layer.out_channels, bias=False, device="meta", **arguments
    )
    new.weight, new.bias = layer.weight, layer.bias
    return new.train(layer.training)
