"""The errors that a person can do something about; a stage prints them without a traceback."""


class InputError(Exception):
    """What was given can't be used. The message says what was received and what was expected."""


class NetworkError(Exception):
    """A place on the network didn't answer: a second try may succeed."""
