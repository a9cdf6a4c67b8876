"""The whole recipe on a CPU, with drawn faces: `make demo-train` and what it shows at its end."""
