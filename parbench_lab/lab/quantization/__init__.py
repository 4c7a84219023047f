"""The quantisation study: whole models, in memory and streamed, each run in a fresh process."""
