"""Entry point of the Python runtimes: serves an instance's requests where FCLOCAL_ENDPOINT says.

Runs on Python 2.7 and 3.6+ with the standard library only. What is imported here is on the path of every cold start.
"""

import os
import sys
import time

# A clock that all processes of this machine have in common; 2.7 has none.
now = getattr(time, "monotonic", time.time)
BEGAN = now()
HOME = os.path.dirname(os.path.abspath(__file__))


def main():
    # A user's PYTHONSAFEPATH would leave the script's folder out.
    sys.path.insert(0, HOME)
    from _fclocal_bootstrap import server

    sys.path[:] = [entry for entry in sys.path if entry != HOME]
    began = BEGAN
    if "FCLOCAL_TEMPLATE" in os.environ:
        from _fclocal_bootstrap import template

        template.run()
        began = now()
    server.run(began)


# Not on import: multiprocessing's "spawn" imports the main module again.
if __name__ == "__main__":
    main()
