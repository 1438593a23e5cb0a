"""Loads a model of 200 MB: once to check that it is whole, and once more to use it."""

import os

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "model.bin")
PIECE = 4 * 1024 * 1024
size = 0


def read_all():
    read, piece = 0, bytearray(PIECE)
    with open(MODEL, "rb", buffering=0) as file:
        while True:
            count = file.readinto(piece)
            if not count:
                return read
            read += count


def initialize(context):
    global size
    checked = read_all()
    size = read_all()
    assert checked == size


def handler(event, context):
    return "%d MB" % (size // 1024 // 1024)
