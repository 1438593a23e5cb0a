"""The hooks of an instance: a connection is made once, and what was counted is saved before it is frozen or ends."""

import sqlite3

connection = None
unsaved = 0


def initialize(context):
    global connection
    connection = sqlite3.connect("/tmp/counter.db", check_same_thread=False)
    connection.execute("CREATE TABLE IF NOT EXISTS counts (n INTEGER)")
    print("initialize: the database is open")


def handler(event, context):
    global unsaved
    if event == b"fail":
        raise RuntimeError("asked to fail")
    unsaved += 1
    return {"unsaved": unsaved, "saved": saved()}


def pre_freeze(context):
    print("pre_freeze: %d saved" % save())


def pre_stop(context):
    print("pre_stop: %d saved" % save())
    connection.close()


def save():
    global unsaved
    connection.execute("INSERT INTO counts VALUES (?)", (unsaved,))
    connection.commit()
    unsaved = 0
    return saved()


def saved():
    return connection.execute("SELECT COALESCE(SUM(n), 0) FROM counts").fetchone()[0]
