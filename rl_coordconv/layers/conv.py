"""Convolutions that see extra channels besides the image, without ever concatenating them.

A convolution is linear, so conv([image, extra], [W_image, W_extra]) equals
conv(image, W_image) + conv(extra, W_extra). The extra channels are the same for every image of a
batch: the second term is computed once, on a batch of one, and added as a map of biases.
"""

# No postponed annotations here: torch.fx writes those of `forward` into its graphs as they are.

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from rl_coordconv._util.errors import InputError
from rl_coordconv.layers.cached_map import CachedMap
from rl_coordconv.layers.checks import ExtraInit, ExtraScale, check_arguments, check_scale
from rl_coordconv.layers.functional import (
    conv2d_with_extra_channels,
    convolve,
    extra_channels,
)
from rl_coordconv.layers.names import public
from rl_coordconv.layers.separate import initialize_separately_
from rl_coordconv.layers.zero_mean import without_mean

Size = int | tuple[int, int]

# A call in `forward` becomes one node of a graph; the name has to be known where it is called.
torch.fx.wrap("conv2d_with_extra_channels")


class ExtraChannelConv2d(nn.Conv2d):
    """An `nn.Conv2d` whose last input channels are made by the layer itself.

    Subclasses say what those channels hold. The weight has the shape that "concatenate, then
    nn.Conv2d" would have, with the image's channels first, so that initialisers which look for
    `nn.Conv2d` reach it whole and a state_dict fits either form.
    """

    # No annotations on attributes here: TorchScript would read them, and only those of one class.
    __constants__ = [  # noqa: RUF012
        *nn.Conv2d.__constants__, "channel_kind", "coordinate_scale", "zero_mean",
    ]  # fmt: skip
    __jit_ignored_attributes__ = ("_cache",)
    __jit_unused_properties__ = ("image_weight", "coordinate_weight")
    channel_kind = ""  # as `extra_channels` takes it
    coordinate_scale = 1.0  # of layers that were pickled before there was a choice
    zero_mean = False  # as above

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        *,
        with_r: bool = False,
        coordinate_init: ExtraInit = "default",
        coordinate_scale: ExtraScale = 1.0,
        zero_mean: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_arguments(groups, with_r, coordinate_init, zero_mean)
        check_scale(coordinate_scale)
        self.with_r = with_r
        self.coordinate_init = coordinate_init
        self.zero_mean = zero_mean
        self.image_channels = in_channels
        self.extra_channels = 3 if with_r else 2
        super().__init__(
            in_channels + self.extra_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self._cache: CachedMap | None = None
        self.coordinate_scale = (
            1 / math.prod(self.kernel_size) if coordinate_scale == "kernel" else coordinate_scale
        )

    @property
    def image_weight(self) -> Tensor:
        """(out, image channels, kernel height, kernel width), a view of ``weight``."""
        return self.weight[:, : self.image_channels]

    @property
    def coordinate_weight(self) -> Tensor:
        """(out, 2 or 3, kernel height, kernel width), a view of ``weight``."""
        return self.weight[:, self.image_channels :]

    def decompose(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Take the layer apart: it equals a convolution of the image and a map added to it.

        Args:
            height: of the images.
            width: of the images.

        Returns:
            The weight for the image's channels, (out, image channels, kernel, kernel), and what
            the layer's own channels and the bias add to every image, (1, out, H', W'). Both are
            differentiable in the layer's parameters.
        """
        weight = self.weight
        image_weight, extra_weight = weight.split((self.image_channels, self.extra_channels), 1)
        if self.zero_mean:
            image_weight = without_mean(image_weight)
        size = torch.Size((height, width))
        return image_weight, self._map(size, weight.device, weight.dtype, extra_weight, self.bias)

    def reset_parameters(self) -> None:
        """Initialise as `nn.Conv2d` does; the coordinate weights as ``coordinate_init`` says."""
        if self.coordinate_init == "separate":
            return initialize_separately_(self, nn.Conv2d.reset_parameters)
        super().reset_parameters()
        if self.coordinate_init == "zero":
            with torch.no_grad():
                self.coordinate_weight.zero_()

    def forward(self, input: Tensor) -> Tensor:
        """Convolve images.

        Args:
            input: (N, image channels, H, W) or (image channels, H, W).

        Returns:
            (N, out, H', W') or (out, H', W').

        Raises:
            InputError: the number of channels or dimensions is wrong.
        """
        # Read once: a parametrised weight is computed anew, perhaps differently, at each access.
        weight, bias = self.weight, self.bias
        if not torch.jit.is_scripting():
            self._check_input(input)
            if _are_plain(input, weight, bias):
                return self._forward_plain(input, weight, bias)
        if self.zero_mean:
            image_weight, extra_weight = weight.split((self.image_channels, self.extra_channels), 1)
            weight = torch.cat((without_mean(image_weight), extra_weight), 1)
        return conv2d_with_extra_channels(
            input,
            weight,
            bias,
            self.channel_kind,
            self.with_r,
            float(self.coordinate_scale),
            self.stride,
            self._border(),
            self.dilation,
            self.padding_mode,
        )

    def _forward_plain(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Compute what `conv2d_with_extra_channels` does, sparing memory and repeated maps."""
        image_weight, extra_weight = weight.split((self.image_channels, self.extra_channels), 1)
        if self.zero_mean:
            image_weight = without_mean(image_weight)
        output = self._convolve(input, image_weight, None)
        if self._may_cache(input):
            extra = self._cached_map(input, extra_weight, bias)
        else:
            size = input.shape[-2:]
            extra = self._map(size, input.device, input.dtype, extra_weight, bias)
        # In place: a convolution's backward needs its input and weight but not its output.
        return output.add_(extra[0] if input.dim() == 3 else extra)

    def _convolve(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        geometry: Any = (self.stride, self._border(), self.dilation, self.padding_mode)
        return convolve(input, weight, bias, *geometry)

    def _border(self) -> list[int]:
        """Return the padding's width on the left, on the right, at the top and at the bottom."""
        if isinstance(self.padding, str):
            if self.padding == "valid":
                return [0, 0, 0, 0]
            height = self.dilation[0] * (self.kernel_size[0] - 1)
            width = self.dilation[1] * (self.kernel_size[1] - 1)
            return [width // 2, width - width // 2, height // 2, height - height // 2]
        return [self.padding[1], self.padding[1], self.padding[0], self.padding[0]]

    def _map(
        self,
        size: torch.Size,
        device: torch.device,
        dtype: torch.dtype,
        extra_weight: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        """Return what the extra channels and the bias add to every image, (1, out, H', W')."""
        kind = (self.channel_kind, self.with_r, self.coordinate_scale)
        extra = extra_channels(*kind, size[0], size[1], device, dtype)
        # The bias belongs here: its gradient is then summed over one map, not over the batch.
        return self._convolve(extra, extra_weight, bias)

    def _may_cache(self, input: Tensor) -> bool:
        return not (
            torch.is_grad_enabled() or input.device.type != "cpu" or torch.compiler.is_compiling()
        )

    def _cached_map(self, input: Tensor, extra_weight: Tensor, bias: Tensor | None) -> Tensor:
        autocast = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu")
        geometry = (self.stride, self.padding, self.dilation, self.padding_mode)
        size, dtype = input.shape[-2:], input.dtype
        key = (size, dtype, autocast, geometry, self.coordinate_scale)
        cached = self._cache
        if cached is None or not cached.fits(key, extra_weight, bias):
            # From the copies, so that map and weights agree even if another thread trains.
            weight = extra_weight.clone()
            bias = None if bias is None else bias.clone()
            added = self._map(size, input.device, dtype, weight, bias)
            cached = self._cache = CachedMap(key, weight, bias, added)
        return cached.map

    def _check_input(self, input: Tensor) -> None:
        if not isinstance(input, Tensor) or torch.jit.is_tracing():
            return  # a tool looks at what is done, with or without images
        if input.dim() in (3, 4) and input.shape[-3] == self.image_channels:
            return
        hint = ""
        if input.dim() in (3, 4) and input.shape[-1] == self.image_channels:
            hint = "; the channels seem to come last: permute them to the front"
        raise InputError(
            f"{type(self).__name__} expects (N, {self.image_channels}, H, W) or "
            f"({self.image_channels}, H, W), the coordinates not included, but was given "
            f"{tuple(input.shape)}{hint}"
        )

    def __getstate__(self) -> dict[str, Any]:
        # nn.Module defines none of its own; copies and pickles start with an empty cache.
        return self.__dict__ | {"_cache": None}

    def extra_repr(self) -> str:
        """Return what ``repr`` shows."""
        scale = "" if self.coordinate_scale == 1.0 else f", scale={self.coordinate_scale:.4g}"
        mean = ", zero_mean=True" if self.zero_mean else ""
        return f"{super().extra_repr()}, with_r={self.with_r}{scale}{mean}"


@public
class CoordConv2d(ExtraChannelConv2d):
    """A convolution that also sees where it is: two coordinate channels (three with r).

    Equals `AddCoords` followed by ``nn.Conv2d(in_channels + 2, ...)`` with the same weight, for
    every stride, padding, padding mode and dilation, but concatenates nothing: the coordinate
    term is computed once a call on a batch of one. With coordinate weights of zero it is the
    plain convolution, the translation-invariant case of the paper's section 3.

    Weight channels are ordered [input, x, y, r]. No coordinates are stored in the state_dict, and
    any input size works at run time.

    Args:
        in_channels: channels of the image, without coordinates.
        out_channels: as `nn.Conv2d`, like the arguments that follow.
        kernel_size: as `nn.Conv2d`.
        stride: as `nn.Conv2d`.
        padding: as `nn.Conv2d`, strings included. Padded coordinates are what concatenating first
            would have made of them: zeros, or reflected, repeated or wrapped coordinates.
        dilation: as `nn.Conv2d`.
        groups: must be 1; which group should see the coordinates is not defined otherwise.
        bias: as `nn.Conv2d`.
        padding_mode: as `nn.Conv2d`.
        with_r: whether there is a third channel, the distance from the centre.
        coordinate_init: ``"default"`` initialises the whole weight as one convolution's;
            ``"separate"`` the image's part and the bias as those of a convolution without
            coordinates, with the same random numbers, and the coordinates' part beside them;
            ``"zero"`` as ``"default"``, then the coordinates' part to zero. stable-baselines3's
            policies re-initialise every convolution afterwards; the extractors see to it there,
            elsewhere call `zero_coordinate_weights_` on the finished policy.
        coordinate_scale: what the coordinates, -1 to 1, are multiplied by; ``"kernel"`` stands for
            one over the kernel's area. All weights of a kernel see nearly the same coordinate, so
            that an optimiser with a step per weight, like Adam or RMSprop, moves the output as
            many times faster through a coordinate than through a bias as the kernel has places;
            ``"kernel"`` makes that even.
        zero_mean: whether the image's kernels have their mean subtracted, see `ZeroMeanConv2d`; the
            coordinates' keep theirs.
        device: as `nn.Conv2d`.
        dtype: as `nn.Conv2d`.

    Raises:
        InputError: groups other than 1, an unknown ``coordinate_init``, or a scale that is not
            positive.

    Source:
        Liu et al. 2018, section 3.
    """

    channel_kind = "coordinates"


@public
class ConstantConv2d(ExtraChannelConv2d):
    """The placebo: the parameters of `CoordConv2d`, with channels that are one everywhere.

    It has as many parameters, and their gradients are live, but the channels say nothing of
    position, so that what it gains over a plain convolution is not due to coordinates. (With
    padding the zeros around the ones still tell where the border is; the Atari networks have
    none.)

    Args:
        in_channels: as `CoordConv2d`, like all other arguments.
    """

    channel_kind = "ones"


def _are_plain(input: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Return whether these are what they seem, and no tool looks on.

    Transforms put other types in a parameter's place (functional_call, vmap, fake tensors,
    parametrisations). Their values cannot be compared, or not outside the transform, and they may
    have a dimension that the input has not.
    """
    bias_type = nn.Parameter if bias is None else type(bias)
    if torch.jit.is_tracing():
        return False
    return type(input) is Tensor and type(weight) is bias_type is nn.Parameter
