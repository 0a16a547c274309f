"""All named scenarios."""

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any

from tests.interop import scenarios
from tests.interop.stage import PACKAGES
from tests.interop.steps import Steps


@dataclass(frozen=True, slots=True)
class Scenario:
    """`versions` are those of BullMQ that can play it."""

    name: str
    steps: Steps
    versions: tuple[str, ...] = tuple(PACKAGES)


def table() -> list[Scenario]:
    """Each module's SCENARIOS by name; its VERSIONS, if it has any, hold for all of them."""
    found: dict[str, Scenario] = {}
    for module in _modules():
        versions = getattr(module, "VERSIONS", tuple(PACKAGES))
        for name, steps in module.SCENARIOS.items():
            assert name not in found, f"{name} is there twice"
            found[name] = Scenario(name, steps, versions)
    return [*found.values()]


def _modules() -> list[Any]:
    names = sorted(one.name for one in pkgutil.iter_modules(scenarios.__path__))
    return [importlib.import_module(f"{scenarios.__name__}.{name}") for name in names]
