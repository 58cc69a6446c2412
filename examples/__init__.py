"""Examples: pictures to paint with, the demonstration, and scripts to start from."""
