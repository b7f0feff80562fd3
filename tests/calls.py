"""What an endpoint of the tests was asked, and how long it takes."""

import threading
import time

PATIENCE = 300
"""Seconds for what happens at once unless the machine is busy: it only ends tests that fail."""


def wait_for_calls(chat_endpoint, count):
    deadline = time.monotonic() + PATIENCE
    while len(chat_endpoint.bodies) < count:
        assert time.monotonic() < deadline, "the calls never came"
        time.sleep(0.02)


def wait_for_line(process, words):
    """Return the next line of a process's stderr that has these words."""
    while words not in (line := process.stderr.readline()):
        assert line, f"it ended and did not say {words!r}"
    return line


def slow(chat_endpoint, seconds, prefix):
    """Let the endpoint take its time with the prompts that begin like this."""
    answer = chat_endpoint.answer

    def wait(prompt):
        if prompt.startswith(prefix):
            time.sleep(seconds)
        return answer(prompt)

    chat_endpoint.answer = wait


def hold(chat_endpoint, prefix="", after=0):
    """Return the event that lets the endpoint answer what begins with the prefix.

    The first `after` calls are answered at once, and so is what begins otherwise.
    """
    answer, free = chat_endpoint.answer, threading.Event()

    def wait(prompt):
        if prompt.startswith(prefix) and len(chat_endpoint.bodies) > after:
            assert free.wait(PATIENCE)
        return answer(prompt)

    chat_endpoint.at_end.append(free.set)
    chat_endpoint.answer = wait
    return free


def hold_calls(chat_endpoint, count):
    """Return what waits for so many calls at once, and what lets the endpoint answer them."""
    answer = chat_endpoint.answer
    asked, go = threading.Barrier(count + 1, timeout=PATIENCE), threading.Event()

    def wait(prompt):
        asked.wait()
        assert go.wait(PATIENCE)
        return answer(prompt)

    chat_endpoint.at_end += [asked.abort, go.set]
    chat_endpoint.answer = wait
    return asked, go
