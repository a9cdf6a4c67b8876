"""Official archives, published files and question indices -> samples.

The reader of a dataset knows only the layouts in which it is distributed. It names
images and never decodes them.
"""
