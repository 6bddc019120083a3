#!/usr/bin/python3
"""Turn a Sweepstake store into one HTML page and a few pictures.

    report.py STORE [--out DIR] [--best N]

DIR (default: the store's name without .h5, plus "-report") gets index.html, which needs no other file, and the pictures
as PNG. Prints the N best tickets (default 5) and where the page is. Works beside a running sweep.
"""

import argparse
import base64
import html
import io
import os
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import read

# Okabe and Ito's palette: distinguishable with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
RULE = ("A ticket is <b>winning</b> when, in the mean over seeds, its early-stop step is at most the dense network's and its "
        "test accuracy there is at least the dense network's. The early-stop step is the evaluation with the lowest "
        "validation loss. The margin is ticket minus dense; \"holds in\" counts the seeds for which both hold. "
        "\"Reaches dense at\" is the first evaluation whose validation loss is as low as the dense network's lowest: how fast "
        "it learns, also where it goes on learning after the dense network has begun to overfit.")
NOT_SETTINGS = ("trial", "seed", "data.dir")


# ---- numbers ----------------------------------------------------------------------------------------------


def name_groups(trials):
    """A label per trial from the settings that differ between trials, seeds apart."""
    settings = [c for c in trials.columns if c not in NOT_SETTINGS and trials[c].astype(str).nunique() > 1]
    if not settings:
        return pd.Series(["all trials"] * len(trials), index=trials["trial"])
    return pd.Series([", ".join(f"{c.split('.', 1)[-1]} {row[c]}" for c in settings) for _, row in trials.iterrows()],
                     index=trials["trial"])


def steps_to_reach(curves, targets):
    """Per row: the first step whose validation loss is at most the row's target; NaN when it never is."""
    reached = curves[curves["validation_loss"] <= curves["row"].map(targets)]
    return reached.groupby("row")["step"].min()


def add_reach(tickets, curves):
    """A column `reach`: the step at which a training is as good as its trial's dense network ever was."""
    dense = tickets[(tickets["round"] == 0) & (tickets["control"] == "ticket")].set_index("trial")
    target = tickets["trial"].map(dense["early_stop_validation_loss"])
    parts = []
    for _, part in tickets.assign(target=target).groupby("trial", sort=False):
        steps = steps_to_reach(curves, part.set_index("row")["target"]) if len(curves) else pd.Series(dtype=float)
        parts.append(part.assign(reach=part["row"].map(steps)).drop(columns="target"))
    return pd.concat(parts) if parts else tickets.assign(reach=np.nan)


def compare_with_dense(tickets):
    """Per (group, control, round): means and ranges over seeds, margins over the same trial's dense round.

    `reach` is the mean over seeds, and NaN unless every seed gets there."""
    fine = tickets[tickets["status"] == "ok"]
    dense = fine[(fine["round"] == 0) & (fine["control"] == "ticket")].set_index("trial")
    fine = fine[fine["trial"].isin(dense.index)].copy()
    fine["accuracy"] = 100 * fine["early_stop_test_accuracy"]
    fine["accuracy_margin"] = fine["accuracy"] - 100 * fine["trial"].map(dense["early_stop_test_accuracy"])
    fine["step_margin"] = fine["early_stop_step"] - fine["trial"].map(dense["early_stop_step"])
    fine["holds"] = (fine["accuracy_margin"] >= 0) & (fine["step_margin"] <= 0)
    fine["left"] = 100 * fine["weights_left"]
    grouped = fine.groupby(["group", "control", "round"], sort=False)
    table = grouped.agg(left=("left", "mean"), seeds=("trial", "nunique"), step=("early_stop_step", "mean"),
                        step_low=("early_stop_step", "min"), step_high=("early_stop_step", "max"),
                        accuracy=("accuracy", "mean"), accuracy_low=("accuracy", "min"),
                        accuracy_high=("accuracy", "max"), accuracy_margin=("accuracy_margin", "mean"),
                        step_margin=("step_margin", "mean"), holds=("holds", "sum"),
                        reach=("reach", lambda steps: steps.mean(skipna=False))).reset_index()
    table["winning"] = (table["accuracy_margin"] >= 0) & (table["step_margin"] <= 0)
    return table.sort_values(["group", "control", "round"], ignore_index=True)


def verdict(row):
    if row["control"] != "ticket":
        return "control"
    if row["round"] == 0:
        return "dense"
    return "winning" if row["winning"] else "not winning"


def best_tickets(table, n):
    """Winning tickets with the fewest weights first; then the others by accuracy."""
    found = table[(table["control"] == "ticket") & (table["round"] > 0)]
    winning = found[found["winning"]].sort_values(["left", "accuracy"], ascending=[True, False])
    others = found[~found["winning"]].sort_values("accuracy", ascending=False)
    return pd.concat([winning, others]).head(n)


# ---- pictures -------------------------------------------------------------------------------------------------


def new_axes(xlabel, ylabel):
    figure, axes = plt.subplots(figsize=(8, 4.6), constrained_layout=True)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(True, alpha=0.3, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def legend_above(axes, columns):
    """A legend that never covers data."""
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, fontsize=8, frameon=False)


def weights_axis(axes, left):
    """Weights remaining on a logarithmic axis from 100 % down, ticks at what was reached (Frankle & Carbin)."""
    ticks, last = [], np.inf
    for value in sorted(set(np.round(left, 2)), reverse=True):
        if last / value > 1.22:
            ticks.append(value)
            last = value
    axes.set_xscale("log")
    axes.set_xlim(max(left) * 1.08, min(left) / 1.08)
    axes.set_xticks(ticks, [f"{t:.3g}" for t in ticks])
    axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())


def draw_against_weights(table, value, ylabel):
    """Mean with the range over seeds; dense level dotted, controls dashed."""
    figure, axes = new_axes("weights remaining (%)", ylabel)
    many = table["group"].nunique() > 1
    for g, group in enumerate(table["group"].unique()):
        colour = COLOURS[g % len(COLOURS)]
        for control, part in table[table["group"] == group].groupby("control", sort=False):
            is_ticket = control == "ticket"
            part = part.sort_values("left", ascending=False)
            label = (f"{group}: " if many else "") + ("winning-ticket search" if is_ticket else f"control: {control}")
            shade = colour if is_ticket or many else COLOURS[1]
            axes.plot(part["left"], part[value], "-o" if is_ticket else "--s", color=shade, markersize=3.5,
                      linewidth=1.4, label=label)
            if (part["seeds"] > 1).any():
                axes.fill_between(part["left"], part[value + "_low"], part[value + "_high"], color=shade,
                                  alpha=0.15, linewidth=0)
            if is_ticket and (part["round"] == 0).any():
                axes.axhline(part.loc[part["round"] == 0, value].iloc[0], color=shade, linewidth=0.9, linestyle=":",
                             label=(f"{group}: " if many else "") + "dense network")
    weights_axis(axes, table["left"].to_numpy())
    legend_above(axes, 2 if many else 3)
    return figure


def draw_layers(layers, rows):
    """Weights remaining per layer over the rounds of the first trial of each group."""
    figure, axes = new_axes("round", "weights remaining (%)")
    lines, markers = ("-", "--", ":", "-."), "os^vDPX*"
    for g, (group, by_round) in enumerate(rows.items()):
        part = layers[layers["row"].isin(by_round.index)].copy()
        part["round"] = part["row"].map(by_round)
        for i, (name, layer) in enumerate(part.groupby("name", sort=False)):
            layer = layer.sort_values("round")
            # Layers pruned alike lie on each other: hollow markers of falling size keep all of them visible.
            axes.plot(layer["round"], 100 * (1 - layer["sparsity"]), lines[g % 4] + markers[i % 8], linewidth=1.2,
                      markersize=max(3, 9 - 2.5 * i), markerfacecolor="none", color=COLOURS[i % len(COLOURS)],
                      label=name if len(rows) == 1 else f"{group}: {name}")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%.3g"))
    legend_above(axes, 3)
    return figure


def draw_curves(curves, by_round):
    """Test accuracy along the training of some rounds of one trial."""
    figure, axes = new_axes("training step", "test accuracy (%)")
    chosen = by_round.sort_values().index
    if len(chosen) > 6:
        chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, 6).round().astype(int))]
    for i, row in enumerate(chosen):
        part = curves[curves["row"] == row]
        axes.plot(part["step"], 100 * part["test_accuracy"], linewidth=1.3, color=COLOURS[i % len(COLOURS)],
                  label=f"round {by_round[row]}")
    accuracy = 100 * curves[curves["row"].isin(chosen) & (curves["step"] > 0)]["test_accuracy"]
    if len(accuracy):
        low, high = np.nanpercentile(accuracy, 3), np.nanmax(accuracy)
        axes.set_ylim(low - 0.1 * (high - low) - 0.1, high + 0.1 * (high - low) + 0.1)
    legend_above(axes, 6)
    return figure


def make_pictures(store, table, tickets):
    """[(file name, caption, figure)]"""
    pictures = []
    if len(table):
        pictures.append(("accuracy.png", "Test accuracy at the early-stop step against weights remaining: mean, and range "
                         "over seeds", draw_against_weights(table, "accuracy", "test accuracy at early stop (%)")))
        pictures.append(("early-stop.png", "Early-stop step against weights remaining: mean, and range over seeds",
                         draw_against_weights(table, "step", "early-stop step")))
    own = tickets[tickets["control"] == "ticket"]
    first = {group: part[part["trial"] == part["trial"].min()].set_index("row")["round"]
             for group, part in own.groupby("group", sort=False)}
    if first:
        pictures.append(("layers.png", "Weights remaining per layer, first trial of each variant",
                         draw_layers(store.layers(), first)))
        group, by_round = next(iter(first.items()))
        pictures.append(("curves.png", f"Test accuracy along training: {group}, first trial",
                         draw_curves(store.curves(), by_round)))
    return pictures


# ---- page --------------------------------------------------------------------------------------------------------

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid #ccc}table{border-collapse:collapse;font-size:13px}
td,th{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #eee;white-space:nowrap}th{background:#f5f5f5}
td:first-child,th:first-child{text-align:left}.scroll{overflow-x:auto}.win{background:#e4f4ea}.bad{color:#a40000}
img{max-width:100%}figure{margin:1rem 0}figcaption{color:#555;font-size:13px}pre{background:#f7f7f7;padding:.8rem;overflow-x:auto}"""


def html_table(headers, rows, classes=None):
    head = "".join(f"<th>{html.escape(h)}</th>" for h in headers)
    body = ""
    for i, row in enumerate(rows):
        mark = f' class="{classes[i]}"' if classes and classes[i] else ""
        body += f"<tr{mark}>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>\n"
    return f'<div class="scroll"><table><tr>{head}</tr>\n{body}</table></div>'


def ticket_cells(row):
    dense = row["control"] == "ticket" and row["round"] == 0
    return (row["group"], row["control"], row["round"], f"{row['left']:.2f}", f"{row['accuracy']:.2f}",
            "" if dense else f"{row['accuracy_margin']:+.2f}", f"{row['step']:.0f}",
            "" if dense else f"{row['step_margin']:+.0f}", "never" if np.isnan(row["reach"]) else f"{row['reach']:.0f}",
            "" if dense else f"{row['holds']:.0f} of {row['seeds']}", verdict(row))


TICKET_HEADERS = ("variant", "kind", "round", "weights left %", "test accuracy %", "margin points", "early-stop step",
                  "margin steps", "reaches dense at", "holds in", "verdict")


def section_tickets(table):
    if not len(table):
        return "<p>No finished dense round yet: nothing to compare with.</p>"
    classes = ["win" if verdict(row) == "winning" else "" for _, row in table.iterrows()]
    return f"<p>{RULE}</p>" + html_table(TICKET_HEADERS, [ticket_cells(r) for _, r in table.iterrows()], classes)


def section_trials(trials, tickets):
    settings = [c for c in trials.columns if c != "trial" and trials[c].astype(str).nunique() > 1]
    rows = []
    for _, trial in trials.iterrows():
        own = tickets[(tickets["trial"] == trial["trial"]) & (tickets["control"] == "ticket")]
        fine = own[own["status"] == "ok"]
        last = fine.sort_values("round").iloc[-1] if len(fine) else None
        rows.append((trial["trial"], *(trial[c] for c in settings), len(own),
                     f"{100 * last['weights_left']:.2f}" if last is not None else "",
                     f"{100 * fine['early_stop_test_accuracy'].max():.2f}" if len(fine) else "",
                     f"{own['total_seconds'].sum():.1f}"))
    return html_table(("trial", *settings, "rounds done", "last: weights left %", "best test accuracy %", "seconds"), rows)


def section_failures(rounds):
    failed = rounds[rounds["status"] != "ok"]
    if not len(failed):
        return ""
    rows = [(r["row"], r["trial"], r["round"], r["control"], r["reason"]) for _, r in failed.iterrows()]
    return '<h2 class="bad">Failed rounds</h2>' + html_table(("row", "trial", "round", "kind", "reason"), rows)


def section_alerts(alerts):
    if not len(alerts):
        return "<p>None.</p>"
    rows = [(a["row"], a["step"], a["monitor"], f"{a['value']:.4g}", a["message"]) for _, a in alerts.head(50).iterrows()]
    more = f"<p>and {len(alerts) - 50} more</p>" if len(alerts) > 50 else ""
    return html_table(("row", "step", "monitor", "value", "message"), rows) + more


def section_facts(store, rounds):
    total = len(store.plan)
    facts = [("rounds committed", f"{len(rounds)} of {total}"),
             ("time in rounds", f"{rounds['total_seconds'].sum():.1f} s over all workers"),
             ("of that, training / evaluation", f"{rounds['train_seconds'].sum():.1f} s / {rounds['evaluate_seconds'].sum():.1f} s"),
             ("work", f"{rounds['train_flops'].sum():.3g} FLOP"),
             ("hosts", ", ".join(sorted(set(rounds["host"]))) if len(rounds) else ""),
             ("program", f"Sweepstake {store.attribute('program')}, {store.attribute('isa')}, OpenBLAS {store.attribute('openblas')}"),
             ("plan digest", store.attribute("plan_digest"))]
    return html_table(("", ""), facts)


def write_page(store, out, table, tickets, pictures):
    rounds = store.rounds()
    figures = ""
    for name, caption, figure in pictures:
        image = io.BytesIO()
        figure.savefig(image, dpi=130)
        plt.close(figure)
        with open(os.path.join(out, name), "wb") as file:
            file.write(image.getvalue())
        figures += (f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,'
                    f'{base64.b64encode(image.getvalue()).decode()}"><figcaption>{html.escape(caption)}.</figcaption></figure>\n')
    overrides = store.overrides()
    text = html.escape(store.sweep_text()) + (f"\n# --set\n{html.escape(overrides)}" if overrides else "")
    sweep = html.escape(str(store.attribute("sweep")))
    page = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{sweep}: lottery tickets</title>
<style>{STYLE}</style></head><body><h1>{sweep}</h1>{section_facts(store, rounds)}{section_failures(rounds)}
<h2>Pictures</h2>{figures or "<p>No round has finished yet.</p>"}<h2>Tickets</h2>{section_tickets(table)}
<h2>Trials</h2>{section_trials(store.trials(), tickets)}<h2>Alerts</h2>{section_alerts(store.alerts())}
<h2>Sweep file</h2><pre>{text}</pre></body></html>
"""
    path = os.path.join(out, "index.html")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
    return path


# ---- command ---------------------------------------------------------------------------------------------------------


def print_best(table, n):
    best = best_tickets(table, n)
    if not len(best):
        print("no ticket has finished yet")
        return
    rows = [[str(cell) for cell in ticket_cells(row)] for _, row in best.iterrows()]
    headers = [h for h in TICKET_HEADERS]
    keep = [i for i, h in enumerate(headers) if h != "kind" and not (h == "variant" and best["group"].nunique() == 1)]
    widths = [max(len(headers[i]), *(len(row[i]) for row in rows)) for i in keep]
    for cells in [headers] + rows:
        print("  ".join(cells[i].rjust(w) for i, w in zip(keep, widths)))


def report(path, out, n_best):
    with read.Store(path) as store:
        os.makedirs(out, exist_ok=True)
        groups = name_groups(store.trials())
        tickets = store.tickets()
        tickets["group"] = tickets["trial"].map(groups)
        tickets = add_reach(tickets, store.curves())
        table = compare_with_dense(tickets)
        page = write_page(store, out, table, tickets, make_pictures(store, table, tickets))
    print_best(table, n_best)
    print(f"report: {page}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", metavar="STORE")
    parser.add_argument("--out", metavar="DIR", help="folder for the page and the pictures")
    parser.add_argument("--best", metavar="N", type=int, default=5, help="tickets to print (default 5)")
    arguments = parser.parse_args()
    out = arguments.out or (arguments.store.removesuffix(".h5") + "-report")
    if not os.path.exists(arguments.store):
        print(f"report: {arguments.store}: no such file", file=sys.stderr)
        return 1
    try:
        report(arguments.store, out, arguments.best)
    except read.StoreError as error:
        print(f"report: {error}", file=sys.stderr)
        return 74
    except OSError as error:
        print(f"report: {error}", file=sys.stderr)
        return 74
    return 0


if __name__ == "__main__":
    sys.exit(main())
