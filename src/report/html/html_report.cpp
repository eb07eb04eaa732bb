#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "html_page.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/report/outcome_text.hpp"
#include "pgeist/report/run_record.hpp"
#include "pgeist/report/text.hpp"
#include "svg_chart.hpp"

namespace pgeist::report {

namespace {

std::string count(double value) { return format_count(static_cast<std::int64_t>(std::llround(value))); }

std::string fact(std::string_view name, const std::string& value) {
    return value.empty() ? "" : fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, html_escaped(value));
}

std::string section(std::string_view title, const std::string& body) {
    return body.empty() ? "" : fmt::format("<section><h2>{}</h2>\n{}</section>\n", title, body);
}

bool has_phase(const run_record& run, std::string_view name) {
    return std::any_of(run.phases.begin(), run.phases.end(), [&](const auto& each) { return each.what.name == name; });
}

/// Also when the swap was made by an earlier run, or its commit came to light only afterwards: nothing finishes a job
/// that has not swapped.
bool has_swapped(const run_record& run) { return run.swapped || has_phase(run, "finish"); }

/// Whether it is certain that nothing was swapped: not when the run ended in the midst of it with an end that says
/// nothing about it.
bool certainly_not_swapped(const run_record& run) {
    if (has_swapped(run)) {
        return false;
    }
    switch (run.ended.code) {
        case exit_code::outcome_unknown:
            return false;
        case exit_code::connection_lost:
        case exit_code::cancelled:
        case exit_code::failed:
            return !has_phase(run, "swap");
        default:
            return true;
    }
}

std::string verdict(const run_record& run) {
    const bool back = run.swapped && run.swapped->back;
    const std::string_view swapped =
        back ? "The old table is in use again, with every write made since." : "The table has its new definition.";
    const bool good = run.ended.code == exit_code::done;
    std::string text = good && has_swapped(run) ? std::string(swapped) : run.ended.message;
    if (!good && has_swapped(run) && has_phase(run, "window")) {
        text = std::string(swapped) + " " + text;
    } else if (!good && run.back && !has_swapped(run)) {
        text += " Nothing was swapped.";
    } else if (!good && has_swapped(run) && text.find("has its new definition") == std::string::npos) {
        text = std::string(swapped) + " But what was left to do is not finished: " + text;
    } else if (!good && certainly_not_swapped(run)) {
        text += " The source table is as it was and in use.";
    }
    std::string html = fmt::format("<p class=\"verdict {}\"><strong>{}</strong> {}</p>\n", good ? "good" : "bad",
                                   good ? "Done." : fmt::format("Exit code {}.", static_cast<int>(run.ended.code)),
                                   html_escaped(text));
    if (!run.ended.hint.empty()) {
        html += fmt::format("<p>Next: {}</p>\n", html_escaped(run.ended.hint));
    }
    return html;
}

std::string verification_text(const run_record& run) {
    if (!run.verified && !run.verified_before.empty()) {
        return run.verified_before + ", by an earlier run of the job";
    }
    if (!run.verified) {
        const bool made_here = run.swapped && run.swapped->attempts > 0;
        return made_here ? "off" : has_swapped(run) ? "not in this run" : "not reached";
    }
    std::string text = fmt::format("{} rows in {} chunks compared, ", format_count(run.verified->rows),
                                   format_count(run.verified->chunks));
    text +=
        run.verified->differences == 0 ? "no differences" : format_count(run.verified->differences) + " differences";
    return text + (run.verified->repaired > 0 ? fmt::format(", {} repaired and compared again", run.verified->repaired)
                                              : std::string());
}

std::string swap_text(const run_record& run) {
    if (run.swapped) {
        return describe(*run.swapped);
    }
    if (has_swapped(run)) {
        return has_phase(run, "swap") ? "done; how long the table was locked is not known" : "done by an earlier run";
    }
    return certainly_not_swapped(run) ? "not swapped" : "not swapped, as far as this run knows";
}

std::string facts(const run_record& run) {
    std::string html = "<dl>\n";
    html += fact("Change", run.change) + fact("Server", run.server);
    html += fact("Started", timestamp(run.started_at)) + fact("Took", seconds_text(run.elapsed));
    html += fact("Verification", verification_text(run)) + fact("Swap", swap_text(run));
    if (run.rehearsed) {
        for (const auto& [name, value] : figures(*run.rehearsed)) {
            html += fact("Rehearsal: " + name, value);
        }
    }
    if (run.swapped && run.swapped->order) {
        html += fact("Row order", describe(*run.swapped->order));
    }
    if (run.swapped && run.swapped->old_table) {
        const bool kept = !run.swapped->old_table->empty();
        html += fact(run.swapped->back ? "New table" : "Old table",
                     kept ? "kept as " + *run.swapped->old_table : "dropped");
    }
    return html + "</dl>\n";
}

std::string way_back(const run_record& run) {
    if (!run.back) {
        return "";
    }
    std::string html = "<dl>\n";
    const auto& back = *run.back;
    if (back.closed) {
        return html + fact("Can be taken back", "no: " + *back.closed) + "</dl>\n";
    }
    html += fact("Can be taken back", back.unfit > 0 ? "not while there are rows that do not fit" : "yes");
    if (back.left) {
        html += fact("Kept open", "for another " + format_duration(*back.left));
    }
    html += fact("Rows that do not fit", format_count(back.unfit));
    if (back.pending >= 0) {
        html += fact("Changes behind", format_count(back.pending));
    }
    return html + "</dl>\n";
}

/// How long a phase held the lock that it names, as far as that is one number.
std::string held_text(const run_record& run, const run_record::phase& phase) {
    if (phase.what.name == "swap") {
        const bool known = run.swapped && run.swapped->attempts > 0;
        return known ? fmt::format("{:.1f} ms", run.swapped->lock_held_ms) : has_swapped(run) ? "" : "not obtained";
    }
    if (phase.longest_chunk_ms > 0) {
        return fmt::format("at most {:.0f} ms a chunk", phase.longest_chunk_ms);
    }
    return phase.what.lock == "none" ? "" : "at most " + seconds_text(phase.to - phase.from);
}

std::string phases_table(const run_record& run) {
    std::string html =
        "<table><thead><tr><th>Phase</th><th class=\"n\">Time</th><th class=\"n\">Rows</th><th class=\"n\">Rows/s</th>"
        "<th>Lock on the table</th><th>Held</th></tr></thead><tbody>\n";
    for (const auto& phase : run.phases) {
        const double took = phase.to - phase.from;
        html += fmt::format(
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
            "class=\"n\">{}</td><td>{}</td><td>{}</td></tr>\n",
            html_escaped(phase.what.name), seconds_text(took), phase.rows > 0 ? format_count(phase.rows) : "",
            phase.rows > 0 && took > 0 ? count(static_cast<double>(phase.rows) / took) : "",
            html_escaped(phase.what.lock), held_text(run, phase));
    }
    return html + "</tbody></table>\n";
}

std::string members_table(const run_record& run) {
    std::string html;
    for (const run_record::member& each : run.members) {
        html += fmt::format(
            "<tr><td class=\"n\">{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
            each.job, html_escaped(each.table), each.rows_copied > 0 ? format_count(each.rows_copied) : "",
            each.copied_in > 0 ? seconds_text(each.copied_in) : "",
            each.verified ? html_escaped(describe(*each.verified)) : "");
    }
    return html.empty() ? ""
                        : "<table><thead><tr><th class=\"n\">Job</th><th>Table</th><th class=\"n\">Rows "
                          "copied</th><th class=\"n\">In</th><th>Compared</th></tr></thead><tbody>\n" +
                              html + "</tbody></table>\n";
}

std::string charts(const run_record& run) {
    using sample = run_record::sample;
    const auto points = [&](auto value) {
        std::vector<std::pair<double, double>> out;
        for (const sample& each : run.samples) {
            out.emplace_back(each.at, value(each));
        }
        return out;
    };
    const auto any = [](const chart& one) {
        return std::any_of(one.points.begin(), one.points.end(), [](const auto& at) { return at.second > 0; });
    };
    const chart all[] = {
        {"Rows per second", points([](const sample& s) { return s.rows_per_second; }),
         [](double v) { return count(v); }},
        {"Changes waiting for replay", points([](const sample& s) { return s.log_pending; }),
         [](double v) { return count(v); }},
        {"Replica lag", points([](const sample& s) { return s.lag_bytes.value_or(0); }),
         [](double v) { return format_size(static_cast<std::int64_t>(v)); }},
        {"Time of a chunk", points([](const sample& s) { return s.chunk_ms; }),
         [](double v) { return fmt::format("{:.0f} ms", v); }},
        {"Workers", points([](const sample& s) { return s.workers; }),
         [](double v) { return fmt::format("{:.1f}", v); }},
    };
    std::string html;
    for (const chart& each : all) {
        if (any(each)) {
            html += fmt::format("<figure><figcaption>{}</figcaption>{}</figure>\n", each.title, svg_chart(each, run));
        }
    }
    if (!html.empty()) {
        html +=
            "<p class=\"legend\"><span class=\"key wait\"></span> held back by a limit or a pause "
            "<span class=\"key lock\"></span> a lock attempt that failed</p>\n";
    }
    return html;
}

std::string waits_table(const run_record& run) {
    std::string html;
    for (const auto& wait : run.throttled) {
        html += fmt::format("<tr><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
                            seconds_text(wait.from), seconds_text(wait.to - wait.from), html_escaped(wait.why));
    }
    return html.empty() ? ""
                        : "<table><thead><tr><th class=\"n\">At</th><th "
                          "class=\"n\">For</th><th>Reason</th></tr></thead><tbody>\n" +
                              html + "</tbody></table>\n";
}

std::string attempts_table(const run_record& run) {
    std::string html;
    for (const auto& wait : run.lock_waits) {
        html +=
            fmt::format("<tr><td class=\"n\">{}</td><td>{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
                        seconds_text(wait.at), html_escaped(wait.phase),
                        wait.attempt > 0 ? std::to_string(wait.attempt) : "old snapshot", html_escaped(wait.blockers));
    }
    if (html.empty()) {
        return "";
    }
    html =
        "<table><thead><tr><th class=\"n\">At</th><th>Phase</th><th class=\"n\">Attempt</th><th>In the "
        "way</th></tr></thead><tbody>\n" +
        html + "</tbody></table>\n";
    return run.lock_waits_left_out > 0 ? html + fmt::format("<p>and {} more</p>\n", run.lock_waits_left_out) : html;
}

std::string notes_list(const run_record& run) {
    std::string html;
    for (const auto& note : run.notes) {
        const char* kind = note.severity == level::info      ? "info"
                           : note.severity == level::warning ? "warning"
                                                             : "error";
        html += fmt::format("<li class=\"{}\"><span class=\"n\">{}</span> {}</li>\n", kind, seconds_text(note.at),
                            html_escaped(note.text));
    }
    return html.empty() ? "" : "<ul class=\"notes\">\n" + html + "</ul>\n";
}

/// Both definitions are sorted by object: what stands on one side only is a line of its own, what is otherwise on both
/// sides shares one.
std::string schema_table(const run_record& run) {
    const auto object_of = [](const std::string& line) { return line.substr(0, line.find(": ")); };
    std::string html;
    const auto row = [&](const std::string& a, const std::string& b) {
        const char* kind = a == b ? "same" : a.empty() ? "new" : b.empty() ? "gone" : "other";
        html += fmt::format("<tr class=\"{}\"><td>{}</td><td>{}</td></tr>\n", kind, html_escaped(a), html_escaped(b));
    };
    std::vector<std::string> before = run.before;
    std::vector<std::string> after = run.after;
    std::sort(before.begin(), before.end());
    std::sort(after.begin(), after.end());
    auto a = before.begin();
    auto b = after.begin();
    while (a != before.end() || b != after.end()) {
        if (b == after.end() || (a != before.end() && object_of(*a) < object_of(*b))) {
            row(*a++, "");
        } else if (a == before.end() || object_of(*b) < object_of(*a)) {
            row("", *b++);
        } else {
            row(*a++, *b++);
        }
    }
    return html.empty() ? ""
                        : "<table class=\"schema\"><thead><tr><th>Before</th><th>After</th></tr></thead><tbody>\n" +
                              html + "</tbody></table>\n";
}

}  // namespace

std::string html_report(const run_record& run) {
    const std::string title =
        run.job ? fmt::format("pgeist job {}: {}", *run.job, run.table) : std::string("pgeist: no job was started");
    std::string body = fmt::format("<h1>{}</h1>\n{}{}", html_escaped(title), verdict(run), facts(run));
    if (!run.phases.empty()) {
        body += section("Phases and locks", svg_timeline(run) + "\n" + phases_table(run));
    }
    body += section("Exchanged together with", members_table(run));
    body += section("Way back", way_back(run));
    body += section("Over time", charts(run));
    body += section("Waits", waits_table(run));
    body += section("Lock attempts that failed, and old snapshots", attempts_table(run));
    body += section("Definition", schema_table(run));
    body += section("Messages", notes_list(run));
    return page_of(html_escaped(title), body);
}

}  // namespace pgeist::report
