"""`python -m emulator` is `fclocal`."""

from emulator.cli.main import main

if __name__ == "__main__":
    main()
