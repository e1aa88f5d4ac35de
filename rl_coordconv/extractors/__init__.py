"""Features extractors for stable-baselines3, with and without coordinates.

The import paths of this module's classes are part of the format of saved models: a class that is
renamed stays here under its old name as well, and the file it lies in is nobody's business.
"""

from typing import NoReturn

from rl_coordconv._util.errors import closest
from rl_coordconv.extractors.combined import CoordConvCombinedExtractor
from rl_coordconv.extractors.impala import ImpalaCNN
from rl_coordconv.extractors.impoola import PlaceboImpalaCNN
from rl_coordconv.extractors.nature import CoordConvCNN, PlaceboCNN, PooledCNN
from rl_coordconv.extractors.pairing import initialize_paired_
from rl_coordconv.extractors.policy import CoordConvCnnPolicy
from rl_coordconv.extractors.policy_kwargs import extractor_policy_kwargs
from rl_coordconv.extractors.registry import (
    EXTRACTORS,
    import_extractor,
    register_extractor,
)
from rl_coordconv.extractors.spec import ExtractorSpec, Role

__all__ = [
    "EXTRACTORS",
    "CoordConvCNN",
    "CoordConvCnnPolicy",
    "CoordConvCombinedExtractor",
    "ExtractorSpec",
    "ImpalaCNN",
    "PlaceboCNN",
    "PlaceboImpalaCNN",
    "PooledCNN",
    "Role",
    "extractor_policy_kwargs",
    "import_extractor",
    "initialize_paired_",
    "register_extractor",
]


def __getattr__(name: str) -> NoReturn:
    """Refuse a class that a saved model names but this version does not have.

    stable-baselines3 answers an AttributeError while loading with a warning, and goes on with
    another network and random features. An ImportError stops it.
    """
    message = f"module {__name__!r} has no attribute {name!r}"
    if not name[:1].isupper():
        raise AttributeError(message)
    nearest = closest(name, __all__, most=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    raise ImportError(
        f"{message}{hint} A model that names it was saved by another version of rl-coordconv."
    )
