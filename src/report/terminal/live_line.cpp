#include "pgeist/report/terminal/live_line.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/report/rate_meter.hpp"
#include "pgeist/report/terminal/bar.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::report {

namespace {

constexpr std::size_t name_columns = 8;  // the longest phase name, "prepare" or "capture", and a space
constexpr int shortest_bar = 10;
constexpr int longest_bar = 30;
constexpr std::size_t least_for_words = 12;   // fewer columns of a message say nothing
constexpr std::size_t least_beside_bar = 24;  // a narrow terminal had better say why it waits than show a bar

/// One part of the line. Its place is its position in the list; `rank` says who gets space first.
struct part {
    int rank;
    std::string text;
    bool can_shrink = false;
    bool shown = false;
};

std::string rate_text(double rows_per_second) {
    return format_count(static_cast<std::int64_t>(rows_per_second + 0.5)) + " rows/s";
}

std::string count_text(const live_view& view) {
    const progress& now = view.now;
    if (now.rows_total > 0) {
        return counted(now.rows_done, now.rows_total, view.at);
    }
    return now.rows_done > 0 ? counted(now.rows_done, view.at) : std::string();
}

/// Where an estimate of the total was too low, nobody knows how long it will still take.
bool has_eta_of(const live_view& view) {
    return view.eta_seconds && (view.now.server || view.now.rows_done < view.now.rows_total);
}

std::optional<double> percent_shown(const live_view& view) {
    return view.now.server ? view.now.server->percent : percent_of(view.now.rows_done, view.now.rows_total);
}

/// `whole run 12m`: beside the phase's own.
std::string run_eta_text(const live_view& view) {
    return view.now.run_eta_seconds ? "run " + seconds_text(*view.now.run_eta_seconds) : std::string();
}

std::vector<part> parts_of(const live_view& view) {
    const bool has_eta = has_eta_of(view);
    std::vector<part> parts;
    const auto add = [&](int rank, std::string text, bool can_shrink = false) {
        if (!text.empty()) {
            parts.push_back(part{rank, std::move(text), can_shrink});
        }
    };
    add(7, count_text(view));
    add(4, view.rows_per_second && *view.rows_per_second > 0 ? rate_text(*view.rows_per_second) : "");
    add(2, has_eta ? "ETA " + seconds_text(*view.eta_seconds) : "");
    add(3, has_eta ? "" : format_duration(view.elapsed));
    add(4, run_eta_text(view));
    add(5, view.now.log_pending > 0 ? "log " + format_count(view.now.log_pending) : "");
    add(6, view.now.lag_bytes && *view.now.lag_bytes > 0 ? "lag " + format_size(*view.now.lag_bytes) : "");
    add(9, view.now.workers > 0 ? fmt::format("{} worker{}", view.now.workers, view.now.workers == 1 ? "" : "s") : "");
    add(8, one_line(view.now.detail), true);
    add(9, view.now.server ? one_line(view.now.server->phase) : "", true);
    add(1, view.waits_for ? "waits: " + one_line(*view.waits_for) : "", true);
    return parts;
}

/// Chooses which parts fit into `room` columns, each with two spaces before it.
void choose(std::vector<part>& parts, std::size_t room, bool utf8) {
    std::vector<part*> by_rank;
    for (part& each : parts) {
        by_rank.push_back(&each);
    }
    std::sort(by_rank.begin(), by_rank.end(), [](const part* a, const part* b) { return a->rank < b->rank; });
    for (part* each : by_rank) {
        std::size_t needed = columns_of(each->text) + 2;
        if (needed > room && each->can_shrink && room >= least_for_words + 2) {
            each->text = shortened(each->text, room - 2, utf8);
            needed = columns_of(each->text) + 2;
        }
        if (needed <= room) {
            each->shown = true;
            room -= needed;
        }
    }
}

}  // namespace

std::string live_line(const live_view& view, int columns, bool utf8) {
    const auto percent = percent_shown(view);
    const std::string name = padded(one_line(view.at.name), name_columns);
    const std::string number = percent ? fmt::format("{:5.1f}%", *percent) : std::string();
    const auto width = static_cast<std::size_t>(std::max(columns, 0));
    const std::size_t fixed = columns_of(name) + columns_of(number);
    if (fixed > width) {
        return shortened(name, width, utf8);
    }

    std::vector<part> parts = parts_of(view);
    if (!utf8) {
        for (part& each : parts) {
            each.text = to_ascii(each.text);
        }
    }
    std::size_t room = width - fixed;
    // The bar keeps its width while the words around it come and go: a line that jumps cannot be read.
    const auto bar = static_cast<std::size_t>(std::clamp(columns / 5, shortest_bar, longest_bar));
    const bool with_bar = percent && room >= bar + 1 + least_beside_bar;
    room -= with_bar ? bar + 1 : 0;
    choose(parts, room, utf8);

    std::string line = name;
    if (with_bar) {
        line += render_bar(*percent, static_cast<int>(bar), utf8) + " ";
    }
    line += number;
    for (const part& each : parts) {
        line += each.shown ? "  " + each.text : "";
    }
    return line;
}

std::string plain_line(const live_view& view) {
    std::vector<std::string> facts;
    if (const auto percent = percent_shown(view)) {
        facts.push_back(fmt::format("{:.1f}%", *percent));
    }
    if (const std::string rows = count_text(view); !rows.empty()) {
        facts.push_back(rows);
    }
    if (view.rows_per_second && *view.rows_per_second > 0) {
        facts.push_back(rate_text(*view.rows_per_second));
    }
    if (has_eta_of(view)) {
        facts.push_back("ETA " + seconds_text(*view.eta_seconds));
    } else {
        facts.push_back("for " + format_duration(view.elapsed));
    }
    if (const std::string eta = run_eta_text(view); !eta.empty()) {
        facts.push_back(eta);
    }
    if (view.now.log_pending > 0) {
        facts.push_back("log " + format_count(view.now.log_pending));
    }
    if (view.now.lag_bytes && *view.now.lag_bytes > 0) {
        facts.push_back("lag " + format_size(*view.now.lag_bytes));
    }
    if (!view.now.detail.empty()) {
        facts.push_back(one_line(view.now.detail));
    }
    if (view.now.server) {
        facts.push_back(one_line(view.now.server->phase));
    }
    if (view.waits_for) {
        facts.push_back("waits: " + one_line(*view.waits_for));
    }
    return fmt::format("{}: {}", one_line(view.at.name), fmt::join(facts, ", "));
}

}  // namespace pgeist::report
