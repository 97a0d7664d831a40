"""The application database: engine, units of work, migrations."""

from dragoman.store.busy import StoreBusy
from dragoman.store.engine import Store
from dragoman.store.work import Origin, UnitOfWork

__all__ = ["Origin", "Store", "StoreBusy", "UnitOfWork"]
