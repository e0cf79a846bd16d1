"""Runs one flow: opening, chunks, checkpoints, signals, and the status that others see."""
