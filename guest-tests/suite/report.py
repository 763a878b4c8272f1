# SPDX-License-Identifier: MIT
"""The benchmark's report: one HTML file with inline SVG, nothing fetched from anywhere."""

import html

COLOURS = {"off": "#7a8da6", "asi": "#2f7d4f", "asi, APICv": "#4f9d8f", "always-flush": "#c0702c", "KVM": "#999999", "KVM, flushing": "#cccccc"}
WIDTH, ROW, LABEL = 760, 18, 130
STYLE = """body { font: 15px/1.45 sans-serif; max-width: 820px; margin: 2em auto; padding: 0 1em; color: #222 }
h1, h2 { font-weight: 600 } table { border-collapse: collapse } td, th { padding: 2px 12px; text-align: right }
td:first-child, th:first-child { text-align: left } tr:nth-child(even) { background: #f4f4f4 }
.miss { color: #b00020; font-weight: 600 } svg text { font: 12px sans-serif; fill: #222 }"""


def number(value):
    return "–" if value is None else "{:,}".format(value) if isinstance(value, int) else str(value)


def bars(title, values, bar):
    """One chart: @values [(name, number)]; a line where the bar is."""
    top = max([v for _, v in values] + [bar or 0]) or 1
    scale = (WIDTH - LABEL - 90) / top
    parts = ['<h3>%s</h3><svg width="%d" height="%d" role="img">' % (html.escape(title), WIDTH, ROW * len(values) + 8)]
    for i, (name, value) in enumerate(values):
        y = i * ROW
        parts.append('<text x="0" y="%d">%s</text>' % (y + 13, html.escape(name)))
        parts.append('<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>' % (
            LABEL, y + 2, max(1, value * scale), ROW - 5, COLOURS.get(name, "#555")))
        parts.append('<text x="%.1f" y="%d">%s</text>' % (LABEL + value * scale + 5, y + 13, number(value)))
    if bar:
        x = LABEL + bar * scale
        parts.append('<line x1="%.1f" y1="0" x2="%.1f" y2="%d" stroke="#b00020" stroke-dasharray="3,2"/>' % (
            x, x, ROW * len(values)))
    return "".join(parts) + "</svg>"


def table(header, rows):
    parts = ["<table><tr>%s</tr>" % "".join("<th>%s</th>" % html.escape(h) for h in header)]
    for row in rows:
        parts.append("<tr>%s</tr>" % "".join("<td>%s</td>" % cell for cell in row))
    return "".join(parts) + "</table>"


def page(results, anchors, rows):
    """@anchors {label: (bar, KVM, KVM flushing)}; @rows (what, value, bar, met)."""
    judged = table(("what", "measured", "bar", ""), [
        (html.escape(w), number(v), number(b), "met" if m else '<span class="miss">missed</span>')
        for w, v, b, m in rows])
    charts = []
    for label, (bar, kvm, kvm_flush) in anchors.items():
        values = [(p, r[label]["min"]) for p, r in results["policies"].items() if label in r]
        values += [(n, v) for n, v in (("KVM", kvm), ("KVM, flushing", kvm_flush)) if v]
        charts.append(bars(label, values, bar))
    medians = table(("round trip", "policy", "minimum", "median"), [
        (html.escape(label), policy, number(value.get("min")), number(value.get("median")))
        for policy, labels in results["policies"].items() for label, value in labels.items()])
    linux = results["linux"]
    exits = table(("exit", "count", "ticks each"), [
        (html.escape(name), number(count), number(round(linux["ticks"].get(name, 0) / count)))
        for name, count in sorted(linux["exits"].items(), key=lambda item: -item[1])])
    boot = table(("firmware", "to the first guest instruction", "of which files"), [
        (name, number(b["ticks_to_guest"]), number(b["file_ticks"])) for name, b in results["boot"].items()])
    ticks = results["linux_ticks"]
    natively = table(("policy", "ticks", "more than natively, %", "in the hypervisor", "halted"), [
        (policy, number(t["ticks"]), number(t["more"]), number(t["hypervisor"]), number(t["halted"]))
        for policy, t in ticks["policies"].items()])
    return """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Cloister: measurements</title><style>%s</style></head><body>
<h1>Cloister: measurements</h1>
<p>%s, %d CPU, in the emulator, where one instruction is one tick: repeatable counts, not cycles. Minimum of 256 round
trips, the cost of the loop subtracted. The dashed line is the bar; KVM is Linux 6.1's on the same machine.</p>
<h2>Bars</h2>%s
<p>The first touch is given without the escalation of %s instructions that its frame costs.</p>
<h2>Round trips</h2>%s
<h2>Boot</h2>%s
<h2>A Linux boot</h2><p>%s exits, %.2f %% restricted; %s L1D flushes, under always-flush %s.</p>%s
<p>From the kernel's entry to its first process, natively %s ticks:</p>%s
<h2>All figures</h2>%s
</body></html>
""" % (STYLE, html.escape(results["model"]), results["cpus"], judged, number(results["escalation"]["asi"]), "".join(charts),
       boot, number(linux["total"]), linux["share"], number(linux["l1d_flushes"]),
       number(results["linux_always_flush"]["l1d_flushes"]), exits, number(ticks["native"]), natively,
       medians)
