"""What makes a server start sooner; done before anything of the server is imported."""

from __future__ import annotations

import gc
import importlib
import sys


def quicken() -> None:
    """Leave out of the imports that follow what no server uses, and the collector.

    What is imported lives as long as the process, so that looking through it frees nothing. The
    collector works again when the server has started (`app`), or ends with the process.
    """
    gc.disable()
    if "rich" not in sys.modules:
        # structlog imports it for a form of tracebacks that ours never have: `logs` puts them into
        # words before they come to the console.
        sys.modules["rich"] = None  # type: ignore[assignment]
        try:
            importlib.import_module("structlog")
        finally:
            del sys.modules["rich"]
