"""What is written in C for instances: the compiler, and the library that notes which files they read."""
