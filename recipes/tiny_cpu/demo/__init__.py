"""The whole recipe on a CPU: `make demo-train` and what it shows at its end."""
