"""Runs -> leaderboard, plots and one self-contained HTML page."""
