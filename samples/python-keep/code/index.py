"""Corrects spelling by a model that takes seconds to learn. Edit `handler` while it runs: the model stays."""

import json
import re
import time
from collections import Counter
from pydoc_data.topics import topics

LETTERS = "abcdefghijklmnopqrstuvwxyz"
speller = None


def slips(word):
    """Every text that is one slip away: a letter left out, swapped, mistaken, or too many."""
    halves = [(word[:n], word[n:]) for n in range(len(word) + 1)]
    yield from (a + b[1:] for a, b in halves if b)
    yield from (a + b[1] + b[0] + b[2:] for a, b in halves if len(b) > 1)
    yield from (a + c + b[1:] for a, b in halves if b for c in LETTERS)
    yield from (a + c + b for a, b in halves for c in LETTERS)


class Speller:
    """Knows the words of a text, and what they look like with a slip in them."""

    def __init__(self, text):
        self.learned_at = time.time()
        counts = Counter(re.findall("[a-z]+", text.lower()))
        self.words = {word for word, count in counts.items() if count > 9}
        self.meant = {slip: word for word in sorted(self.words, key=counts.get) for slip in slips(word)}

    def correct(self, word):
        return word if word.lower() in self.words else self.meant.get(word.lower(), word)


def initialize(context):
    global speller
    speller = Speller(" ".join(topics.values()))
    print("initialize: learned %d words in %.1f s" % (len(speller.words), time.time() - speller.learned_at))


def handler(event, context):
    """The event is {"text": "…"}."""
    text = re.sub("[A-Za-z]+", lambda match: speller.correct(match[0]), json.loads(event)["text"])
    return {"text": text, "learned_at": speller.learned_at}
