"""What is taken out of texts, or escaped, before others read them: secrets, paths, markup."""
