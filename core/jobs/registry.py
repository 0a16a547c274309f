"""Collects the handlers of a package: each module of it has its own `Jobs`."""

import importlib
import pkgutil
from typing import Any, cast

from bullmq_consumer import Jobs


def discover(package: str = "handlers") -> Jobs[Any]:
    """Import every module of `package`, and put their handlers together.

    Modules and folders whose names start with an underscore hold parts of a job and are skipped.
    """
    found: Jobs[Any] = Jobs()
    root = importlib.import_module(package)
    for module in pkgutil.iter_modules(root.__path__):
        if not module.name.startswith("_"):
            for part in vars(importlib.import_module(f"{package}.{module.name}")).values():
                if isinstance(part, Jobs):
                    found.include(cast("Jobs[Any]", part))
    return found
