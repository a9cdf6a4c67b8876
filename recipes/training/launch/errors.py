"""How a run may fail once it has been started."""


class RunError(Exception):
    """A run that did not do what it was started for."""


class RunInterrupted(KeyboardInterrupt):
    """A run that was interrupted; the message says how it continues."""


class RunningError(Exception):
    """Another run is at work in the same folder."""
