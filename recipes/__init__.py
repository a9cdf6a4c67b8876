"""SFT and GRPO in verl: configurations and scripts by model, the Python behind `unifer-train`.

`qwen2_5_vl` is the recipe, `tiny_cpu` the same at a size that a CPU trains, `training` the code.
"""
