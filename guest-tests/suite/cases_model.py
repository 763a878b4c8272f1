# SPDX-License-Identifier: MIT
"""The protocol's model: it holds, it is that of this code, and a broken one does not hold."""

import os

from .harness import ROOT, need


def check(why, *what):
    def test(context):
        status, _ = context.command([os.path.join(ROOT, "guest-tests/model/check"), "--jobs", "1", "--build",
                                     context.dir] + list(what))
        need(status == 0, why)
    return test


def register(suite):
    suite.add("model", check("a property does not hold, or the code has other steps", "tags", "model"), 45)
    suite.add("model-mutants", check("a defect is not noticed", "mutants"), 50)
