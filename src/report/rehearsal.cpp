#include "pgeist/report/rehearsal.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "pgeist/core/described_json.hpp"
#include "pgeist/core/units.hpp"

namespace pgeist::report {

BOOST_DESCRIBE_STRUCT(rehearsal::phase, (), (name, ms, wal_bytes))
BOOST_DESCRIBE_STRUCT(rehearsal::holder, (), (pid, user, application, query, age_ms, looks))
BOOST_DESCRIBE_STRUCT(rehearsal::totals, (), (elapsed_ms, wal_bytes, space_bytes))
BOOST_DESCRIBE_STRUCT(rehearsal, (),
                      (table, change, locks, method, phases, elapsed_ms, wal_bytes, space_bytes, rows, rows_per_second,
                       chunk_ms, longest_chunk_ms, predicted_lock_ms, lock_ms, attempts, lock_free_percent, looks,
                       blockers, scaled))

bool json_may_lack(const rehearsal&, std::string_view) { return true; }

std::string to_json(const rehearsal& found) {
    boost::json::value all = described_json::write(found);
    if (!found.scaled) {
        all.as_object().erase("scaled");
    }
    return boost::json::serialize(all);
}

rehearsal rehearsal_from_json(const std::string& text) { return described_json::from_text<rehearsal>(text); }

namespace {

double ratio(std::int64_t there, std::int64_t here) {
    return here > 0 && there > 0 ? static_cast<double>(there) / static_cast<double>(here) : 1;
}

/// n log n, for as many rows; never fewer than would make it meaningless.
double sorting(std::int64_t rows) {
    const double n = std::max(2.0, static_cast<double>(rows));
    return n * std::log2(n);
}

std::string time(std::int64_t ms) { return format_duration(std::chrono::milliseconds(ms)); }

std::string one_decimal(double ms) { return fmt::format("{:.1f} ms", ms); }

std::string holder_text(const rehearsal::holder& who) {
    const std::string name = who.pid == 0 ? who.query : fmt::format("pid {}", who.pid);
    std::string text = fmt::format("{} ({}{}{})", name, who.user, who.application.empty() ? "" : ", ", who.application);
    text +=
        fmt::format(" in {} look{}, its transaction {} old", who.looks, who.looks == 1 ? "" : "s", time(who.age_ms));
    return who.pid == 0 ? text : text + ": " + who.query;
}

}  // namespace

rehearsal::totals scaled_to(const rehearsal& found, const table_size& here, const table_size& there) {
    const std::int64_t rows = found.rows > 0 ? found.rows : here.rows;
    const double by_rows = ratio(there.rows, rows);
    const double by_sort = there.rows > 0 && rows > 0 ? sorting(there.rows) / sorting(rows) : 1;
    const double by_bytes = ratio(there.table_bytes, here.table_bytes);
    const double by_all = ratio(there.table_bytes + there.index_bytes, here.table_bytes + here.index_bytes);
    double elapsed = static_cast<double>(found.elapsed_ms);
    double wal = static_cast<double>(found.wal_bytes);
    for (const rehearsal::phase& each : found.phases) {
        double factor = 1;
        double wal_factor = 1;
        if (each.name == "copy" || each.name == "replay") {
            factor = by_rows;
            wal_factor = by_bytes;
        } else if (each.name == "key" || each.name == "build") {
            factor = by_sort;
            wal_factor = by_all;
        } else if (each.name == "verify") {
            factor = by_bytes;
            wal_factor = by_bytes;
        }
        elapsed += (factor - 1) * static_cast<double>(each.ms);
        wal += (wal_factor - 1) * static_cast<double>(each.wal_bytes);
    }
    rehearsal::totals all;
    all.elapsed_ms = static_cast<std::int64_t>(elapsed);
    all.wal_bytes = static_cast<std::int64_t>(wal);
    all.space_bytes = static_cast<std::int64_t>(by_all * static_cast<double>(found.space_bytes));
    return all;
}

std::vector<std::pair<std::string, std::string>> figures(const rehearsal& found) {
    std::vector<std::pair<std::string, std::string>> all;
    all.emplace_back("time", time(found.elapsed_ms));
    std::string phases;
    for (const rehearsal::phase& each : found.phases) {
        phases += fmt::format("{}{} {}", phases.empty() ? "" : ", ", each.name, time(each.ms));
    }
    if (!phases.empty()) {
        all.emplace_back("phases", phases);
        all.emplace_back("WAL", format_size(found.wal_bytes) + ", with what others wrote meanwhile");
        all.emplace_back("space", format_size(found.space_bytes) + " at most");
    }
    if (found.rows_per_second) {
        all.emplace_back(
            "rows", fmt::format("{}, {} a second", format_count(found.rows), format_count(*found.rows_per_second)));
    }
    if (found.chunk_ms && found.longest_chunk_ms) {
        all.emplace_back("chunks",
                         fmt::format("{} ms (median), {} ms at most", *found.chunk_ms, *found.longest_chunk_ms));
    }
    std::string lock = "about " + one_decimal(found.predicted_lock_ms) + ", predicted";
    if (found.lock_ms) {
        lock = fmt::format("{} measured, at attempt {}; {}", one_decimal(*found.lock_ms), found.attempts.value_or(1),
                           lock);
    }
    all.emplace_back("lock", lock);
    if (found.lock_free_percent) {
        all.emplace_back("lock free", fmt::format("in {:.1f}% of {} looks", *found.lock_free_percent, found.looks));
    }
    for (const rehearsal::holder& each : found.blockers) {
        all.emplace_back("held by", holder_text(each));
    }
    if (found.scaled) {
        all.emplace_back("scaled",
                         fmt::format("time {}, WAL {}, space {}", time(found.scaled->elapsed_ms),
                                     format_size(found.scaled->wal_bytes), format_size(found.scaled->space_bytes)));
    }
    return all;
}

std::string markdown(const rehearsal& found) {
    const auto cell = [](std::string text) {
        std::string safe;
        for (const char c : text) {
            if (c == '|' || c == '`' || c == '<') {
                safe += '\\';
            }
            safe += c == '\n' || c == '\r' ? ' ' : c;
        }
        return safe;
    };
    std::string text =
        fmt::format("### pgeist: rehearsal of {}\n\n{}\n\n| | |\n|---|---|\n", cell(found.table), cell(found.change));
    for (const auto& [name, value] : figures(found)) {
        text += fmt::format("| {} | {} |\n", name, cell(value));
    }
    return text;
}

}  // namespace pgeist::report
