"""The policy in force, told to programs and people."""
