"""What an endpoint of the tests was asked, and how long it takes."""

import threading
import time


def wait_for_calls(chat_endpoint, count):
    deadline = time.monotonic() + 60
    while len(chat_endpoint.bodies) < count:
        assert time.monotonic() < deadline, "the calls never came"
        time.sleep(0.02)


def slow(chat_endpoint, seconds, prefix):
    """Let the endpoint take its time with the prompts that begin like this."""
    answer = chat_endpoint.answer

    def wait(prompt):
        if prompt.startswith(prefix):
            time.sleep(seconds)
        return answer(prompt)

    chat_endpoint.answer = wait


def hold_calls(chat_endpoint, count):
    """Return what waits for so many calls at once, and what lets the endpoint answer them."""
    answer = chat_endpoint.answer
    asked, go = threading.Barrier(count + 1, timeout=60), threading.Event()

    def wait(prompt):
        asked.wait()
        assert go.wait(60)
        return answer(prompt)

    chat_endpoint.answer = wait
    return asked, go
