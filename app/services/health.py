"""Whether the service can do its work."""

from collections.abc import Callable
from threading import Event

from app.ports.ecs import Clouds
from app.ports.store import Store


class HealthService:
    """Answers quickly; a cloud that is down is asked again each time."""

    def __init__(self, *, store: Store, clouds: Clouds, engine: Callable[[], bool]) -> None:
        self._store = store
        self._clouds = clouds
        self._engine = engine
        self._draining = Event()

    @property
    def is_draining(self) -> bool:
        """Whether the process is about to stop: streams end, and nobody new is to come."""
        return self._draining.is_set()

    def drain(self) -> None:
        """Say from now on that the service is not ready."""
        self._draining.set()

    def ready(self) -> dict[str, bool]:
        """Say for each part whether it is ready."""
        if self.is_draining:
            return {"serving": False}  # at once, whatever else is slow
        return {
            "serving": True,
            "database": self._store.is_ready(),
            "engine": self._engine(),
            "cloud": self._clouds.is_reachable(),
        }
