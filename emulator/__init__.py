"""fclocal: a local emulator and debugger for Alibaba Cloud Function Compute."""
