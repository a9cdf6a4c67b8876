"""`python -m data_prep.synthetic.faces OUT`: writes the contact sheet that the README shows."""

from __future__ import annotations

import sys

from data_prep.synthetic.faces import contact_sheet

if len(sys.argv) != 2:
    sys.exit("usage: python -m data_prep.synthetic.faces OUT.jpg")
contact_sheet().save(sys.argv[1], quality=88)
