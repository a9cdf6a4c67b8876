"""Official archives, published files and question indices -> samples.

The reader of a dataset knows the layouts that it is handed out in and nothing else. It names
images and never decodes them.
"""
