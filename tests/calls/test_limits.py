"""Budgets, concurrency, rates and the breaker."""

import threading
import time

import pytest

from calls.limits import Breaker, Budget, Caps, Limiter, Reservation
from core.errors import BudgetError
from core.evaluation import Usage


def nothing():
    """The run goes on."""


def test_a_cap_on_calls_is_never_overshot_however_many_want_to_call():
    budget, made, refused = Budget(Caps(calls=100)), [], []

    def work():
        for _ in range(10):
            try:
                budget.reserve(Reservation(0.1, 10), nothing)
            except BudgetError:
                refused.append(1)
                return
            made.append(1)
            time.sleep(0.001)
            budget.settle(Reservation(0.1, 10), 0.1, 10)

    threads = [threading.Thread(target=work) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == budget.calls == 100
    assert refused


@pytest.mark.parametrize("workers", [1, 8, 64])
@pytest.mark.parametrize("estimate", [0.5, 1.0, 2.0])
def test_a_cap_on_money_is_overshot_by_at_most_one_call(workers, estimate):
    budget, lock = Budget(Caps(cost=20.0)), threading.Lock()

    def work():
        while True:
            try:
                budget.reserve(Reservation(max(estimate, 1.0), 0), nothing)
            except BudgetError:
                return
            time.sleep(0.0005)
            with lock:
                budget.settle(Reservation(max(estimate, 1.0), 0), 1.0, 0)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 20.0 <= budget.cost <= 21.0


def test_what_was_spent_before_counts():
    budget = Budget(Caps(calls=5), Usage(calls=5))
    with pytest.raises(BudgetError, match="--max-calls 5 is used up: 5 calls were made"):
        budget.reserve(Reservation(None, 1), nothing)


def test_minutes_end_a_run_as_well():
    clock = iter([0.0, 0.0, 61.0]).__next__
    budget = Budget(Caps(minutes=1.0), clock=clock)
    budget.reserve(Reservation(None, 1), nothing)
    with pytest.raises(BudgetError, match="--max-minutes 1"):
        budget.reserve(Reservation(None, 1), nothing)


def test_overload_halves_the_window_once_per_round_and_success_lets_it_grow():
    now = [0.0]
    limiter = Limiter(16, clock=lambda: now[0])
    first, second = limiter.acquire(1, nothing), limiter.acquire(1, nothing)
    now[0] = 1.0
    limiter.release(first, ok=False, overloaded=True)
    limiter.release(second, ok=False, overloaded=True)
    assert limiter.window == 8.0
    now[0] = 2.0
    for _ in range(8):
        limiter.release(limiter.acquire(1, nothing), ok=True, overloaded=False)
    assert 8.9 < limiter.window < 9.0  # one more per window of successes
    for _ in range(2000):
        limiter.release(limiter.acquire(1, nothing), ok=True, overloaded=False)
    assert limiter.window == 16.0


def test_no_more_requests_than_places():
    limiter, inside, most = Limiter(5), [0], [0]
    lock = threading.Lock()

    def work():
        moment = limiter.acquire(1, nothing)
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        with lock:
            inside[0] -= 1
        limiter.release(moment, ok=True, overloaded=False)

    threads = [threading.Thread(target=work) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 5


class EndedError(Exception):
    """The run has ended while waiting."""


@pytest.mark.parametrize(("requests", "tokens"), [(3, None), (None, 30)])
def test_rates_hold_back_what_would_exceed_them(requests, tokens):
    now = [0.0]
    limiter = Limiter(16, requests, tokens, clock=lambda: now[0])
    for _ in range(3):
        limiter.release(limiter.acquire(10, nothing), ok=True, overloaded=False)

    def ended():
        raise EndedError

    waits = iter([nothing, nothing, ended])
    with pytest.raises(EndedError):
        limiter.acquire(10, lambda: next(waits)())
    now[0] = 61.0
    limiter.acquire(10, nothing)


def test_the_breaker_gives_a_new_provider_few_chances_and_a_known_one_more():
    new, known = Breaker(first=3, later=5), Breaker(first=3, later=5)
    assert [new.failure(overloaded=False) for _ in range(3)] == [False, False, True]
    known.success()
    assert [known.failure(overloaded=False) for _ in range(5)] == [False, False, False, False, True]
    known.success()
    assert not any(known.failure(overloaded=True) for _ in range(100))  # overloaded is not down
