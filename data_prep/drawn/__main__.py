"""`python -m data_prep.drawn OUT`: writes the contact sheet that the README shows."""

from __future__ import annotations

import sys

from data_prep.drawn import contact_sheet

if len(sys.argv) != 2:
    sys.exit("usage: python -m data_prep.drawn OUT.jpg")
contact_sheet().save(sys.argv[1], quality=88)
