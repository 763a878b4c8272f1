# SPDX-License-Identifier: MIT
"""The suite's parts: harness.py runs tests, cases_*.py are the tests."""
