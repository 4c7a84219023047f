"""The race: settings, events, the pure state machine, and the shell that carries its commands out."""
