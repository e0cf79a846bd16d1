"""The kit's one error: a sentence that says what is missing and what to do."""


class KitError(Exception):
    """A cluster can't be had or used; the message says why, and the remedy."""
