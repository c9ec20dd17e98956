"""The measured systems: each module is run as a script, by the interpreter of its system."""
