"""Lies in /opt/python, which the Python runtimes search for modules."""

WORDS = {"en": "Hello", "zh": "你好", "fr": "Bonjour"}


def greet(language, name):
    return "%s, %s!" % (WORDS[language], name)
