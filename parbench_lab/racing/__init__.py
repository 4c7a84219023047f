"""The race: settings, events, the pure state machine, and the shell around it."""
