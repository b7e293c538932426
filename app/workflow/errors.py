"""What the engine refuses, and how it stops."""


class EngineError(RuntimeError):
    """The engine cannot run here, or not now."""


class UnsupportedSqliteError(EngineError):
    """SQLite lacks a function that the engine calls on the running version of Python."""


class SecondEngineError(EngineError):
    """An engine runs in this process already; a second would take over its registrations."""


class SecondProcessError(EngineError):
    """Another process runs operations on this SQLite file."""


class NotRunningError(EngineError):
    """The engine was not launched, or was closed."""


class NoOperationError(EngineError):
    """The engine was launched before it was told what an operation does."""


class StepFailedError(RuntimeError):
    """A step ended in an error that is none of ours; its kind and text are kept."""


class Interrupted(BaseException):
    """The engine lets go of an operation between two steps; it goes on after the next launch.

    Not an Exception: what runs as an operation must not take it for a failure and record one.
    """
