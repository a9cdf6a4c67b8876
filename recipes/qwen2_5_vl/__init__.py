"""Cold-start SFT and GRPO of Qwen2.5-VL on GPUs."""
