"""Signals that ask the program to end: each does what Ctrl-C does."""

import contextlib
import signal
import threading

ENDING = ("SIGTERM", "SIGHUP")


@contextlib.contextmanager
def ending_signals():
    """Have SIGTERM and SIGHUP end the block as Ctrl-C does, with a `KeyboardInterrupt`.

    One that the program was started with ignored (``nohup``) stays ignored; so does SIGINT, which
    Python leaves alone then.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ENDING if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
