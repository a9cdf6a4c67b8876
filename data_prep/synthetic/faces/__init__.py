"""Licence-free synthetic faces that show expressions through facial action units.

They stand in for photographs that may not be redistributed: `draw` gives a picture and the
parameters behind it, both determined by a label and a seed.
"""

from data_prep.synthetic.faces.face import ActionUnits, Face
from data_prep.synthetic.faces.paint import contact_sheet, draw, paint
from data_prep.synthetic.faces.sampling import sample_action_units, sample_face

__all__ = [
    "ActionUnits",
    "Face",
    "contact_sheet",
    "draw",
    "paint",
    "sample_action_units",
    "sample_face",
]
