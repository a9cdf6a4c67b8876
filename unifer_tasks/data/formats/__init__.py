"""The formats in which people have predictions: each file is read as rows of named values.

`sniffing` tells a file's format by its first bytes; `json_rows`, `delimited` and `workbook` read
one kind each; `columns` names the cells of a table, and `dialects` knows the names that other
programs give our columns. A new format is a function that yields the rows of an open file, and its
case in `sniffing`.
"""
