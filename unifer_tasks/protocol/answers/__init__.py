"""How a response should look (`formats`) and how it is read: text in, a label or why none out.

Two readers, both reported by every run: `strict`, the headline, takes one label between the tags
that were asked for and nothing else; `upstream` does what the paper's scripts do. Both take time
linear in the response, whatever it holds.
"""
