"""What is asked: labels, questions and the images beside them.

`answers` reads what comes back; `variants` asks the same in other ways.
"""
