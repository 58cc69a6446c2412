"""No client can make the daemon open a file of its choice: no path crosses the wire."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from impasto_daemon.engine import recipes
from impasto_daemon.supervisor import check_recipe
from impasto_protocol import codec
from impasto_protocol.errors import ImpastoError
from impasto_protocol.limits import Limits
from impasto_protocol.messages import Foresee, Submit

from tests.fakes.daemon import request, submit

PATHS = ("/etc/passwd", "../styles/a.png", "file:///etc/passwd", "~/a.png", "a/b")


@pytest.mark.parametrize("path", PATHS)
def test_no_setting_of_any_recipe_takes_a_path(path: str) -> None:
    for recipe in recipes.RECIPES.values():
        for field in fields(recipe):
            asked = replace(request(), recipe=recipe.name, settings={field.name: path})
            with pytest.raises(ImpastoError):
                check_recipe(asked.outline)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("field", ["job", "recipe", "resume"])
def test_no_name_in_a_request_can_be_a_path(field: str, path: str) -> None:
    names: dict[str, Any] = {field: path}
    with pytest.raises(ImpastoError):
        codec.decode(codec.encode(replace(submit("job"), **names)), Limits())


def test_a_request_has_no_other_text() -> None:
    texts = {field.name for field in fields(Submit) if "str" in str(field.type)}
    assert texts == {"job", "recipe", "resume", "digests", "settings"}
    assert {field.name for field in fields(Foresee) if "str" in str(field.type)} < texts
