"""Real faults, injected into the real pipeline on the small data set.

    make test-faults

Each module is a row of docs/faults.md; its mark `faults` says what is injected and promised.
"""
