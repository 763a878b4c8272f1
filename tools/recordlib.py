# SPDX-License-Identifier: MIT
"""The hypervisor's records in a console log.

Guests write to the same console, and one that has it to itself writes what it likes. So each record carries a key that is
drawn at boot and that no guest can read; the first record, which comes before any guest runs, says it."""

import json
import re

START = re.compile(r'@cloister (?=\{(?:"key":"([0-9a-f]{8})",)?"type":"[\w-]+")')

LINE = re.compile(r"[^\r\n]*")


def keys(text, boots=1):
    """The keys of the first @boots that left records in the log, None for a program that has none."""
    found = []
    for match in START.finditer(text):
        if match.group(1) not in found:
            found.append(match.group(1))
            if len(found) == boots:
                break
    return found


def parse(text, boots=1):
    """The records that are not a guest's, in order; one that is cut off, or torn, is of the type "unparsable"."""
    known, records = keys(text, boots), []
    for match in START.finditer(text):
        if match.group(1) not in known:
            continue
        body = LINE.match(text, match.end()).group()
        try:
            record = json.loads(body)
            record.pop("key", None)
        except ValueError:
            record = {"type": "unparsable", "line": body}
        records.append(record)
    return records


def last(text, kind, boots=1):
    """The text of the last whole record of type @kind; None: there is none."""
    found = None
    for key in keys(text, boots):
        start = '@cloister {%s"type":"%s"' % ('"key":"%s",' % key if key else "", kind)
        at = text.rfind(start)
        if at >= 0 and "\n" in text[at:] and (found is None or at > found):
            found = at
    return None if found is None else text[found:text.index("\n", found)]
