"""The reader of every raw format, collected from the modules of this folder."""

import pkgutil
from importlib import import_module

from deeper.prepare.raw.reader import Reader

READERS: dict[str, Reader] = {
    reader.name: reader
    for module in pkgutil.iter_modules(__path__)
    for reader in import_module(f"{__name__}.{module.name}").READERS
}
"""Every raw format by name."""
