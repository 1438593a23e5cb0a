"""fclocal: a local emulator and debugger for Alibaba Cloud Function Compute."""

__version__ = "0.1.0"
