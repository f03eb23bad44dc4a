"""The bench: this project beside the frameworks a person would pick instead, on the same work.

``python -m bench --list`` says what there is. Every contender runs in a process of its own, is
checked before it is timed, and is timed round by round with the others, so that what the machine
does meanwhile happens to all of them.
"""
