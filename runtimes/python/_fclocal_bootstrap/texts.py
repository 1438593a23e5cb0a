"""Texts of user code that must not break an answer, whatever they hold."""


def message_of(error):
    """`str(error)`; on Python 2.7 a unicode message has none, and a user's own `__str__` may fail."""
    for shown in (str, repr):
        try:
            return readable(shown(error))
        except Exception:
            continue
    return "an exception that can not be shown"


def readable(text):
    """Python 2.7's byte strings as text, since JSON refuses what is not UTF-8."""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
