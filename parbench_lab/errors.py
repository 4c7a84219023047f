"""What can go wrong, as a tree.

    ParbenchError               everything this package raises on purpose
    ├── UsageError              bad input of the caller (also a ValueError); the shell exits with 2
    │   ├── UnknownNameError    a name that nothing is registered under; lists the possibilities
    │   │   └── UnknownRunError  the same of a run in a store (also a StoreError)
    │   └── SettingError        a knob was given a value outside its range
    ├── ClusterError            no cluster, no workers, or the connection to it was lost
    ├── StoreError              the benchmark database cannot be read or written
    └── RaceError               the race cannot go on; the result so far is kept

An experiment that fails is data, not an exception: a crash, a time-out or a wrong result of a
candidate is an `Outcome` of its measurement and never appears here.
"""

from __future__ import annotations


class ParbenchError(Exception):
    """Base of everything this package raises on purpose; the text is one line for the user."""


class UsageError(ParbenchError, ValueError):
    """The caller gave something that cannot be used."""


class UnknownNameError(UsageError):
    """A name was not found."""


class SettingError(UsageError):
    """A setting was given a value outside its range."""


class ClusterError(ParbenchError):
    """No cluster, no usable worker, or the connection was lost."""


class StoreError(ParbenchError):
    """The benchmark database cannot be read or written."""


class UnknownRunError(UnknownNameError, StoreError):
    """No run, or more than one, is meant by what was given."""


class RaceError(ParbenchError):
    """The engine of a race failed; what was measured so far is kept."""
