"""Forms as strict as all else: a field that nobody knows, or that is given twice, would be lost without a word."""

from __future__ import annotations

from collections import Counter

from fastapi import Depends, Request
from starlette.datastructures import UploadFile

from stylebank.errors import did_you_mean
from stylebank.serve.refusals import Refused

SEVERAL = ("mask",)
"""Fields that may be given several times."""


async def known_fields_once(request: Request) -> None:
    """A dependency of routes that take forms.

    Raises:
        Refused: the form has a field that the route does not have, or one twice; or a file twice under one name.
    """
    known = [field.alias for field in request.scope["route"].dependant.body_params]
    form = await request.form()  # read already, and kept
    for name, times in Counter(name for name, _ in form.multi_items()).items():
        if name not in known:
            guess = did_you_mean(name, known)
            raise Refused(422, f"'{name[:100]}' is no field of this form; it has {', '.join(known)}.{guess}")
        if times > 1 and name not in SEVERAL:
            raise Refused(422, f"The form has '{name}' {times} times; once is right.")
    files = Counter(value.filename for name in SEVERAL for value in form.getlist(name) if isinstance(value, UploadFile))
    if twice := next((name for name, times in files.items() if times > 1), None):
        raise Refused(422, f"Two files of the form are called '{twice[:100]}'.")


FORM = (Depends(known_fields_once),)
"""Dependencies of a route that takes a form."""
