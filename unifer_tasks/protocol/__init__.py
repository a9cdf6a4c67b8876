"""What is asked and how an answer is read: labels, prompts, images, variants, answers."""
