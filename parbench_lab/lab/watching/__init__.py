"""A watch, put together: builds found by name, the rounds of a night, its journal, its lock."""
