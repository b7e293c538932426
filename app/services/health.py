"""Whether the service can do its work."""

from collections.abc import Callable

from app.ports.ecs import Clouds
from app.ports.store import Store


class HealthService:
    """Answers quickly; a cloud that is down is asked again each time."""

    def __init__(self, *, store: Store, clouds: Clouds, engine: Callable[[], bool]) -> None:
        self._store = store
        self._clouds = clouds
        self._engine = engine

    def ready(self) -> dict[str, bool]:
        """Say for each part whether it is ready."""
        return {
            "database": self._store.is_ready(),
            "engine": self._engine(),
            "cloud": self._clouds.is_reachable(),
        }
