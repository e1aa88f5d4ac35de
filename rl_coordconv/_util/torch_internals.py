"""torch's private interfaces, in one place: each is probed once, and each can be done without.

CONTRIBUTING.md lists them. A name in capitals says whether the interface is what it was when this
was written; the function that uses it computes the same without it, or says what makes its callers
take the public way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


def works(probe: Callable[[], bool]) -> bool:
    """Tell what a probe says; that an interface is gone can show in any error."""
    try:
        return probe()
    except Exception:
        return False


# ---- operators: known by their signature, without a computation at import


def has_operator(name: str, signature: str) -> bool:
    """Tell whether torch has an operator with exactly this signature.

    Args:
        name: as ``"aten::threshold_backward"``.
        signature: what follows the name in the operator's schema.
    """
    library, _, operator = name.partition("::")
    try:
        schema = getattr(getattr(torch.ops, library), operator).default._schema
    except (AttributeError, RuntimeError):
        return False
    return str(schema) == name + signature


_LINEAR = (
    "mkldnn::_linear_pointwise",
    "(Tensor X, Tensor W, Tensor? B, str attr, Scalar?[] scalars, str? algorithm) -> Tensor Y",
)
_CONVOLUTION = (
    "aten::convolution_backward",
    "(Tensor grad_output, Tensor input, Tensor weight, SymInt[]? bias_sizes, SymInt[] stride, "
    "SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups, "
    "bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
)
_THRESHOLD = (
    "aten::threshold_backward",
    "(Tensor grad_output, Tensor self, Scalar threshold) -> Tensor",
)

HAS_ONEDNN_LINEAR = torch.backends.mkldnn.is_available() and has_operator(*_LINEAR)
HAS_CONVOLUTION_BACKWARD = has_operator(*_CONVOLUTION)
HAS_THRESHOLD_BACKWARD = has_operator(*_THRESHOLD)


def onednn_linear(left: Tensor, right_transposed: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``left @ right_transposed.T + bias``; only where `HAS_ONEDNN_LINEAR`."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(
        left, right_transposed, bias, "none", [], ""
    )
    return product


def relu_backward(gradient: Tensor, output: Tensor) -> Tensor:
    """Return the gradient of relu's input, of a gradient of its output."""
    if HAS_THRESHOLD_BACKWARD:
        result: Tensor = torch.ops.aten.threshold_backward(gradient, output, 0)
        return result
    return torch.where(output <= 0, 0, gradient)


Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]


def convolution_backward(
    gradient: Tensor, images: Tensor, weight: Tensor, stride: tuple[int, int], needed: list[bool]
) -> Gradients:
    """Return the gradients of images, weight and bias of a convolution without padding.

    Args:
        gradient: (N, out, H', W') of its output.
        images: (N, channels, H, W).
        weight: (out, channels, kernel, kernel).
        stride: vertical and horizontal.
        needed: which of the three; the others are None.
    """
    if not HAS_CONVOLUTION_BACKWARD:
        return _differentiate_convolution(gradient, images, weight, stride, needed)
    result: Gradients = torch.ops.aten.convolution_backward(
        gradient,
        images,
        weight,
        [weight.shape[0]] if needed[2] else None,
        stride,
        [0, 0],
        [1, 1],
        False,
        [0, 0],
        1,
        needed,
    )
    return result


def _differentiate_convolution(
    gradient: Tensor, images: Tensor, weight: Tensor, stride: tuple[int, int], needed: list[bool]
) -> Gradients:
    inputs = [images.detach(), weight.detach(), weight.new_zeros(weight.shape[0])]
    wanted = [one.requires_grad_() for one, is_needed in zip(inputs, needed, strict=True)
              if is_needed]  # fmt: skip
    with torch.enable_grad():
        output = torch.conv2d(inputs[0], inputs[1], inputs[2], stride)
    found = iter(torch.autograd.grad(output, wanted, gradient))
    of_images, of_weight, of_bias = (next(found) if is_needed else None for is_needed in needed)
    return of_images, of_weight, of_bias


def multiply_all_(tensors: list[Tensor], factor: Tensor) -> None:
    """Multiply tensors in place by a number, (), that is on their device."""
    if HAS_FOREACH:
        torch._foreach_mul_(tensors, factor)
        return
    for one in tensors:
        one.mul_(factor)


HAS_FOREACH = hasattr(torch, "_foreach_mul_")

# ---- bf16: asked for once a training, so that nothing is kept


def onednn_has_bf16() -> bool:
    """Tell whether this build of torch has oneDNN, and oneDNN accepts bf16 on this processor.

    Without the interface (macOS has none, for instance) no: then fp32 is computed.
    """
    if not torch.backends.mkldnn.is_available():
        return False
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        return False


def torch_sees_avx512_bf16() -> bool:
    """Tell whether torch finds instructions for bf16; without the interface no."""
    has = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(has()) if has is not None else False


# ---- version counters: how often the numbers in a tensor were changed in place


def counts_versions() -> bool:
    """Tell whether a change in place shows in a tensor's version."""
    tensor = torch.zeros(1)
    before = getattr(tensor, "_version", None)
    tensor.add_(1)
    return before is not None and before != getattr(tensor, "_version", None)


HAS_VERSIONS = works(counts_versions)


def read_versions(tensors: list[Tensor]) -> Any:
    """Return what is equal to an earlier reading only if nothing was changed in place since.

    Without the interface it is never equal: nothing that was computed before is used again.
    """
    if not HAS_VERSIONS:
        return object()
    return [(one._version, one.data_ptr()) for one in tensors]


# ---- what a module keeps in its dictionary

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def keeps_hooks() -> bool:
    """Tell whether every kind of hook is found in the dictionary of its module."""
    module = nn.Identity()
    module.register_forward_hook(print)
    module.register_forward_pre_hook(print)
    module.register_full_backward_hook(print)
    module.register_full_backward_pre_hook(print)
    return all(len(vars(module).get(name, ())) == 1 for name in _HOOKS)


def keeps_parts() -> bool:
    """Tell whether children, parameters and buffers are found in the dictionary of their module."""
    module = nn.BatchNorm1d(1)
    child = module.child = nn.Identity()
    state = vars(module)
    places = [state.get(name, {}) for name in ("_modules", "_parameters", "_buffers")]
    return (
        places[0].get("child") is child
        and places[1].get("weight") is module.weight
        and places[2].get("running_mean") is module.running_mean
    )


HAS_HOOKS = works(keeps_hooks)
HAS_PARTS = works(keeps_parts)
HAS_GLOBAL_HOOKS = hasattr(nn.modules.module, "_has_any_global_hook")


def count_hooks(module: nn.Module) -> int:
    """Return how many hooks a module itself has; without the interface 1: there may be some."""
    if not HAS_HOOKS:
        return 1
    state = vars(module)  # a scripted module keeps none of them here
    return sum(len(state.get(name, ())) for name in _HOOKS)


def seems_hooked(module: nn.Module) -> bool:
    """Tell whether a module with weight and bias has hooks.

    Without the interface those are found that bring parameters or buffers of their own, as
    `torch.nn.utils.weight_norm` and `torch.nn.utils.spectral_norm` do.
    """
    if HAS_HOOKS:
        return count_hooks(module) > 0
    own = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    return not {name for name, _ in own} <= {"weight", "bias"}


def has_global_hooks() -> bool:
    """Tell whether somebody listens to all modules; without the interface yes: somebody may."""
    return not HAS_GLOBAL_HOOKS or bool(nn.modules.module._has_any_global_hook())


def read_parts(modules: Iterable[nn.Module]) -> list[Any]:
    """Return of what modules are made: children, hooks, addresses of parameters and buffers.

    Two readings are equal unless something but numbers was changed in between.
    """
    if not (HAS_PARTS and HAS_HOOKS):
        return _read_public_parts(modules)
    facts: list[Any] = []
    for module in modules:
        state = vars(module)
        # A method patched into the object is one more entry of its dictionary.
        facts += (id(module), len(state), count_hooks(module))
        facts += map(id, state.get("_modules", {}).values())
        parameters, buffers = state.get("_parameters", {}), state.get("_buffers", {})
        for tensor in (*parameters.values(), *buffers.values()):
            if tensor is not None:
                facts += (id(tensor), tensor.data_ptr(), tensor.requires_grad)
    return facts


def _read_public_parts(modules: Iterable[nn.Module]) -> list[Any]:
    facts: list[Any] = []
    for module in modules:
        facts += (id(module), len(vars(module)), count_hooks(module))
        facts += map(id, module.children())
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            facts += (id(tensor), tensor.data_ptr(), tensor.requires_grad)
    return facts


# ---- hooks of parameters and optimisers


def tells_of_listeners() -> bool:
    """Tell whether both kinds of hook on a parameter are found."""
    for register in ("register_hook", "register_post_accumulate_grad_hook"):
        parameter = nn.Parameter(torch.zeros(1))
        getattr(parameter, register)(print)
        if not _listeners(parameter):
            return False
    return True


def _listeners(parameter: Tensor) -> bool:
    after = getattr(parameter, "_post_accumulate_grad_hooks", None)
    return bool(getattr(parameter, "_backward_hooks", None) or after)


HAS_LISTENERS = works(tells_of_listeners)


def is_listened_to(parameter: Tensor) -> bool:
    """Tell whether a parameter has hooks; without the interface yes: it may."""
    return not HAS_LISTENERS or _listeners(parameter)


_STEP_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")


def keeps_step_hooks() -> bool:
    """Tell whether both kinds of hook on an optimiser are found."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))])
    optimizer.register_step_pre_hook(print)
    optimizer.register_step_post_hook(print)
    return all(getattr(optimizer, name, None) for name in _STEP_HOOKS)


HAS_STEP_HOOKS = works(keeps_step_hooks)


def has_step_hooks(optimizer: torch.optim.Optimizer) -> bool:
    """Tell whether somebody listens to an optimiser's steps; without the interface yes."""
    if not HAS_STEP_HOOKS:
        return True
    return bool(optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks)
