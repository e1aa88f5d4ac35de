"""The arguments with which an agent of stable-baselines3 gets an extractor."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces

from rl_coordconv.extractors.combined import CoordConvCombinedExtractor
from rl_coordconv.extractors.names import public
from rl_coordconv.extractors.registry import find_extractor


@public
def extractor_policy_kwargs(
    name: str, *, observation_space: spaces.Space | None = None, **options: Any
) -> dict[str, Any]:
    """Return the ``policy_kwargs`` that give a stable-baselines3 agent an extractor.

    ``net_arch`` is empty in every arm: SB3 otherwise follows every extractor but its own NatureCNN
    with two hidden layers of 64 units, and a comparison would compare those.

    Example::

        PPO("CnnPolicy", env, policy_kwargs=extractor_policy_kwargs("coordconv"))
        PPO("MultiInputPolicy", env, policy_kwargs=extractor_policy_kwargs(
            "coordconv", observation_space=env.observation_space))  # a Dict

    Args:
        name: ``cnn`` (SB3's NatureCNN), ``coordconv`` (coordinates in the first convolution),
            ``coordconv-all`` (in every one), ``placebo`` (ones in place of coordinates),
            ``impala``, ``impala-coordconv``, or ``coordconv-paper``: coordinates as they are
            published, which Adam and RMSprop learn 64 times as fast as a bias, and with which
            agents were found to learn worse (docs/layers.md). With one number a map in place of
            its places: ``cnn-pool``, ``coordconv-pool``, ``placebo-pool``, and
            ``pool-embedding`` or ``pool-sinusoids`` (`PositionEmbedding`, `SinusoidalEmbedding`);
            with two, ``spatial-softmax`` (`SpatialSoftmax`); IMPALA's network pooled, ``impoola``,
            ``impoola-coordconv``, ``impoola-placebo``. A class of one's own, ``module:Class``, once
            `import_extractor` has imported it.
        observation_space: the environment's. In a Dict the extractor is for each of its images, see
            `CoordConvCombinedExtractor`; any other space changes nothing.
        **options: ``features_dim`` (an integer), ``pooling`` (``"flatten"``, which the pooled names
            have not, ``"mean"``, ``"max"`` or ``"softmax"``, see `PooledCNN`; what
            ``spatial-softmax`` says by its name), ``zero_mean`` (True or False, see
            `ZeroMeanConv2d`), Impoola's ``width`` (2; what the channels are multiplied by) and
            ``embedding`` (``"none"``, ``"learned"`` or ``"sinusoids"``) and, where there are extra
            channels, in the pooled names ``where`` (``"first"``, ``"last"`` or ``"all"``
            convolutions), ``with_r`` (also the distance from the centre),
            ``coordinate_scale`` (``"kernel"``; 1.0 in ``coordconv-paper``) and ``coordinate_init``
            (``"separate"``; ``"default"`` in ``coordconv-paper``; or ``"zero"`` to begin as the
            plain network), see `CoordConvCNN`.

    Returns:
        A new dictionary, for every policy of stable-baselines3 and sb3-contrib that takes images.

    Raises:
        UnknownNameError: no extractor has this name; names the closest.
        InputError: an option that it does not have, or a value that is not allowed.
    """
    cls, kwargs = find_extractor(name, options)
    if isinstance(observation_space, spaces.Dict):
        cls, kwargs = (
            CoordConvCombinedExtractor,
            {"image_extractor": name, "image_options": options},
        )
    return {
        "features_extractor_class": cls,
        "features_extractor_kwargs": kwargs,
        "net_arch": [],
    }
