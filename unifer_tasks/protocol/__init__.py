"""What is asked: labels, questions and the images beside them."""
