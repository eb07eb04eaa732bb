"""What pgeist promises about speed, each promise with a measure of its own; scripts/run_goals.py runs them.

A measure is a module with NAME and measure(context), which returns findings. Those that compare whole runs with the
blocking ALTER and with pg_repack are in scripts/run_bench.py.
"""
