"""Tasks in phases, taken in order by whichever thread is free: what every entry's loop is made of.

An entry that several threads run has as its last arguments `control`, `scratch` (the thread's own)
and `thread`, and this form (`run.py` is one; `bnn_ref/fast/crew.py` makes the call):

    if not come(control, thread):
        return
    before = 0                             # tasks of the phases done so far
    for phase in range(phases):
        while True:
            j = take(control, phase, count, thread)
            if j < 0:
                break
            wait(control, DONE, before, -1)
            ...                            # task j of this phase's count
            fetch_add(control, DONE, 1)
        before += count
    wait(control, DONE, before, -1)

In each phase a thread of even number takes tasks from the front and one of odd number from the
back, so that step by step a thread comes upon the weights that are in its own cache. What a task
computes must depend on nothing but its number: then results are the same bits whoever does what.

Thread 0 opens the run and stays until all is done. No other thread begins before it is there; one
that never comes, or comes when all is done, changes nothing: no run waits for a thread that holds
no task, and a task is held only while it is being done.
"""

from .addresses import fetch_add, load_atomic
from .jit import kernel
from .machine import give_way

PATIENCE = 300_000  # looks at a counter before a waiting thread gives way: some 50 us
GIVING_WAY = 40_000  # times that a thread gives way to thread 0, which may lie still: some 20 ms
# places in `control`, a cache line each: tasks done, whether thread 0 is there; then, for each
# phase, how many tasks were asked for, taken from the front, and from the back
DONE, OPEN, CONTROL = 0, 8, 16
ASKED, FRONT, BACK, PHASE = 0, 8, 16, 24


@kernel
def wait(control, place, least, patience):
    """Return True once a counter is that high, or False when patience is over (-1: never)."""
    looks = 0
    while load_atomic(control, place) < least:
        looks += 1
        if looks > PATIENCE:
            give_way()
        if looks == patience:
            return False
    return True


@kernel
def come(control, thread):
    """Return whether a thread is to take part: thread 0 opens the run, others look for it."""
    if thread == 0:
        fetch_add(control, OPEN, 1)
        return True
    return wait(control, OPEN, 1, PATIENCE + GIVING_WAY)


@kernel
def take(control, phase, count, thread):
    """Return the number of a task of that phase that nobody has taken, or -1 where none is left."""
    place = CONTROL + phase * PHASE
    if fetch_add(control, place + ASKED, 1) >= count:
        return -1
    if thread % 2 == 0:
        return fetch_add(control, place + FRONT, 1)
    return count - 1 - fetch_add(control, place + BACK, 1)
