"""Draws the panels of the dashboard from a running Prometheus: their titles, places and queries, not Grafana's looks.

usage: dashboard_picture.py DASHBOARD PROMETHEUS SECONDS FILE
"""

import datetime
import json
import sys
import time
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("agg")
from matplotlib import dates, pyplot, ticker  # noqa: E402 - after the choice of what draws

# A column of Grafana's 24, and a row, in inches.
COLUMN, ROW = 0.6, 0.36
UNITS = {"s": "s", "reqps": "calls/s", "ops": "/s", "short": ""}


def ask(prometheus, path, **parameters):
    with urllib.request.urlopen(f"{prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}") as answer:
        return json.load(answer)["data"]["result"]


def expression(target):
    replaced = {"$__rate_interval": "15s", "$job": ".+", "$instance": ".+"}
    text = target["expr"]
    for name, value in replaced.items():
        text = text.replace(name, value)
    return text


def legend(target, labels):
    text = target.get("legendFormat", "")
    for name, value in labels.items():
        text = text.replace("{{%s}}" % name, value)
    return text


def readable(seconds):
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "min")):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def draw_lines(axes, panel, prometheus, begin, end):
    unit = panel["fieldConfig"]["defaults"].get("unit")
    count = 0
    for target in panel["targets"]:
        for series in ask(prometheus, "query_range", query=expression(target), start=begin, end=end, step=2):
            points = [(datetime.datetime.fromtimestamp(at), float(value)) for at, value in series["values"] if value != "NaN"]
            if points:
                count += 1
                axes.plot(*zip(*points), linewidth=1.1, label=legend(target, series["metric"]))
    axes.set_ylim(bottom=0)
    axes.set_xlim(datetime.datetime.fromtimestamp(begin), datetime.datetime.fromtimestamp(end))
    axes.set_ylabel(UNITS[unit], fontsize=6)
    axes.yaxis.set_major_locator(ticker.MaxNLocator(4))
    axes.xaxis.set_major_locator(dates.AutoDateLocator(maxticks=4))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S"))
    axes.tick_params(labelsize=6)
    axes.grid(linewidth=0.3)
    if count:
        axes.legend(fontsize=5, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False)
    else:
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", fontsize=8, color="grey")


def draw_values(axes, panel, prometheus, end):
    unit = panel["fieldConfig"]["defaults"].get("unit")
    lines = []
    for target in panel["targets"]:
        for series in ask(prometheus, "query", query=expression(target), time=end):
            value = float(series["value"][1])
            lines.append(f"{legend(target, series['metric'])}: {readable(value) if unit == 's' else f'{value:g}'}")
    axes.axis("off")
    axes.text(0.5, 0.5, "\n".join(lines) or "no data", transform=axes.transAxes, ha="center", va="center", fontsize=9)


def main(dashboard, prometheus, seconds, file):
    with open(dashboard) as text:
        panels = json.load(text)["panels"]
    width = 24
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = pyplot.figure(figsize=(width * COLUMN, height * ROW))
    end = time.time()
    for panel in panels:
        place = panel["gridPos"]
        axes = figure.add_axes((
            (place["x"] + 0.9) / width,
            1 - (place["y"] + place["h"] - 2.1) / height,
            (place["w"] - 1.4) / width,
            (place["h"] - 3.0) / height,
        ))
        axes.set_title(panel["title"], fontsize=8, loc="left", pad=3)
        if panel["type"] == "stat":
            draw_values(axes, panel, prometheus, end)
        else:
            draw_lines(axes, panel, prometheus, end - float(seconds), end)
    figure.savefig(file, dpi=85)


main(*sys.argv[1:])
