"""How we improve: one strategy per file, and the run that puts a strategy, a gate and a record together."""

from collections.abc import Sequence
from typing import cast

from core.catalog import Catalog
from optimizers.base import Optimizer
from optimizers.bootstrap import Bootstrap
from optimizers.gepa import Gepa
from optimizers.metaprompt import Metaprompt
from optimizers.mipro import Mipro
from optimizers.race import Race
from optimizers.simba import Simba

OPTIMIZERS: Catalog[Optimizer] = Catalog(
    "optimizer", cast(Sequence[Optimizer], (Gepa(), Mipro(), Bootstrap(), Simba(), Metaprompt(), Race()))
)
