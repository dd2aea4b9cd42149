# SPDX-License-Identifier: BSD-2-Clause
"""A strict reader of Prometheus's text format 0.0.4: what it does not expect is a ValueError.

    metrics = prometheus.parse(text)
    metrics.value("portcullis_sessions", target=IQN)
"""
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
SUFFIXES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


class Metrics:
    """types: {name: type}; samples: {(name, frozenset of labels): value}."""

    def __init__(self):
        self.types, self.samples = {}, {}

    def value(self, name, **labels):
        """The sample's value; 0 if there is none."""
        return self.samples.get((name, frozenset(labels.items())), 0)

    def labels(self, name):
        """The label sets of a metric, as dicts."""
        return [dict(labels) for found, labels in self.samples if found == name]


def parse_labels(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        if not match or match.group(1) in labels:
            raise ValueError("labels: " + text)
        labels[match.group(1)] = match.group(2)
        at = match.end()
        if at < len(text) and (text[at] != "," or at + 1 == len(text)):
            raise ValueError("labels: " + text)
        at += 1
    return labels


def parse_sample(line):
    match = re.fullmatch(r"([^\s{]+)(?:\{(.+)\})? (\S+)", line)
    if not match or not NAME.fullmatch(match.group(1)) or not NUMBER.fullmatch(match.group(3)):
        raise ValueError("sample: " + line)
    return match.group(1), parse_labels(match.group(2) or ""), float(match.group(3))


def check_histogram(metrics, name):
    """Bounds rise to +Inf, counts never fall, and _count is the last of them."""
    series = {}
    for (found, labels), value in metrics.samples.items():
        if found == name + "_bucket":
            rest = frozenset(item for item in labels if item[0] != "le")
            series.setdefault(rest, []).append((float(dict(labels)["le"]), value))
    for labels, buckets in series.items():
        buckets.sort()
        counts = [count for _, count in buckets]
        if buckets[-1][0] != float("inf") or counts != sorted(counts):
            raise ValueError("buckets of %s %s: %s" % (name, labels, buckets))
        if metrics.samples.get((name + "_count", labels)) != counts[-1] or \
                (name + "_sum", labels) not in metrics.samples:
            raise ValueError("count or sum of %s %s" % (name, labels))


def parse(text):
    """All samples of a scrape: HELP, then TYPE, then the samples of each metric, each metric once."""
    metrics, current, helped = Metrics(), None, None
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no end")
    for line in text.split("\n")[:-1]:
        words = line.split(" ", 3)
        if line.startswith("# HELP "):
            if words[2] in metrics.types or len(words) < 4:
                raise ValueError(line)
            helped = words[2]
        elif line.startswith("# TYPE "):
            if words[2] != helped or len(words) != 4 or words[3] not in SUFFIXES:
                raise ValueError(line)
            current, helped = words[2], None
            metrics.types[current] = words[3]
        else:
            name, labels, value = parse_sample(line)
            if current is None or name not in [current + s for s in SUFFIXES[metrics.types[current]]]:
                raise ValueError("sample of another metric: " + line)
            key = (name, frozenset(labels.items()))
            if key in metrics.samples:
                raise ValueError("twice: " + line)
            metrics.samples[key] = value
    for name, kind in metrics.types.items():
        if kind == "histogram":
            check_histogram(metrics, name)
        if (kind == "counter") != name.endswith("_total"):
            raise ValueError("%s is called like no %s" % (name, kind))
    return metrics
