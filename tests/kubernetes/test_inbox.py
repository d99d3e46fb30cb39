"""The inbox between threads: bounded for writers that can block, unbounded for the others."""

import threading

from monopod.runner.kubernetes.inbox import MOST, Inbox


def test_blocking_writers_wait_and_lose_nothing():
    inbox: Inbox[int] = Inbox()
    count = 20 * MOST
    writer = threading.Thread(target=lambda: [inbox.put_patiently(number) for number in range(count)])
    writer.start()
    taken = []
    while len(taken) < count:
        some = inbox.take(60)
        assert len(some) <= MOST
        taken += some
    writer.join()
    assert taken == list(range(count))
    inbox.close()


def test_non_blocking_writers_exceed_the_bound():
    inbox: Inbox[int] = Inbox()
    for number in range(2 * MOST):
        inbox.put(number)
    assert inbox.take(0) == list(range(2 * MOST))
    inbox.close()


def test_closing_wakes_blocked_writers():
    inbox: Inbox[int] = Inbox()
    for number in range(MOST):
        inbox.put(number)
    writer = threading.Thread(target=inbox.put_patiently, args=[MOST])
    writer.start()
    inbox.close()
    writer.join(300)
    assert not writer.is_alive()
    inbox.put(0)
