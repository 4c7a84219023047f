"""Maps that an operation must not be able to tell apart."""

import builtins
import contextlib
from concurrent.futures import ThreadPoolExecutor

import cloudpickle


def backwards(function, /, *items):
    """Work on the last part first, and give the results in order."""
    parts = list(zip(*items, strict=True))
    return iter([function(*part) for part in reversed(parts)][::-1])


def through_pickles(function, /, *items):
    """Send every part to where nothing is shared, as processes do, and back."""
    for part in zip(*items, strict=True):
        sent_function, sent = cloudpickle.loads(cloudpickle.dumps((function, part)))
        yield cloudpickle.loads(cloudpickle.dumps(sent_function(*sent)))


@contextlib.contextmanager
def three_threads():
    with ThreadPoolExecutor(3) as threads:
        yield threads.map


@contextlib.contextmanager
def every_map():
    with three_threads() as threads:
        yield {
            "built in": builtins.map,
            "backwards": backwards,
            "through pickles": through_pickles,
            "threads": threads,
        }
