"""Values that hold and Protocols that promise; nothing here does I/O or prints."""
