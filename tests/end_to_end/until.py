"""Waiting for what comes soon."""
import time


def until(look, seconds=20):
    """What `look` finds, once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")
